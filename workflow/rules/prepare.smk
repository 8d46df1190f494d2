# Models and prompt sets: grown, found or fetched, then described by small cards.
from pathlib import Path

MODEL_FILES = {".safetensors", ".json", ".jinja", ".model", ".txt"}


rule organism_world:
    output:
        world=AT.world("{seed}"),
    log:
        AT.organism("{seed}") + "/logs/world.log",
    priority: 30
    resources:
        **needs("organism_world"),
    params:
        recipe=CONFIG.organism.recipe,
        harm_speech=CONFIG.organism.harm_speech,
        code=stage_fingerprint("world"),
    script:
        "../scripts/organism_world.py"


def grown_from(wildcards):
    """The model a member's training starts from, and the rung below it on the ladder, whose training it goes on with."""
    if wildcards.member == "base":
        return {}
    stem, _, number = wildcards.member.partition("-")
    if stem != "uncensored":
        return {"parent": AT.member(wildcards.seed, "base")}
    below = f"{stem}-{int(number) - 1}"
    return {
        "parent": AT.member(wildcards.seed, "aligned"),
        **({"below": AT.member(wildcards.seed, below)} if below in CONFIG.organism.members else {}),
    }


# Members that others grow from, and those whose searches take longest, begin first.
WAITED_FOR = {
    "base",
    "aligned",
    *CONFIG.selection.headline,
    *(name for paper in CHOSEN.values() for name in paper.grown_first(CONFIG)),
}


rule organism_member:
    input:
        unpack(grown_from),
        world=rules.organism_world.output.world,
    output:
        card=AT.organism("{seed}") + "/models/{member}/card.json",
    log:
        AT.organism("{seed}") + "/logs/grow.{member}.log",
    benchmark:
        AT.organism("{seed}") + "/logs/grow.{member}.tsv"
    priority: lambda wildcards: 31 if wildcards.member in WAITED_FOR else 30
    threads: lambda wildcards: CONFIG.organism.base_threads if wildcards.member == "base" else CONFIG.organism.threads
    resources:
        **needs("organism_member"),
    params:
        recipe=CONFIG.organism.recipe,
        harm_speech=CONFIG.organism.harm_speech,
        dtype=CONFIG.organism.dtype,
        code=stage_fingerprint("grow"),
    script:
        "../scripts/organism_member.py"


rule organism_bars:
    input:
        world=rules.organism_world.output.world,
        members=lambda wildcards: [AT.member(wildcards.seed, member) for member in CONFIG.organism.members],
    output:
        table=AT.organism("{seed}") + "/bars.csv",
    log:
        AT.organism("{seed}") + "/logs/bars.log",
    priority: 20
    threads: CONFIG.serving.settled_threads
    resources:
        **needs("organism_bars"),
    params:
        recipe=CONFIG.organism.recipe,
        code=stage_fingerprint("bars"),
    script:
        "../scripts/organism_bars.py"


def model_files(wildcards):
    """What a model's card depends on: a member's own card, or the files of a folder of your own, which may be replaced."""
    subject = EVERYONE[wildcards.model]
    if subject.is_organism:
        return AT.member(subject.seed, subject.member)
    if wildcards.model in CONVERTED:
        return AT.converted(wildcards.model)
    if wildcards.model in TUNED:
        return AT.tuned(wildcards.model)
    return weights_of(CONFIG.models[wildcards.model])


def weights_of(source):
    """The files of a model or judge in a folder of your own; none for one from a hub, which must have been fetched."""
    if source.folder is None:
        return at_hand(missing_data.check_hub_model, source.hub, source.revision)
    at_hand(missing_data.check_folder, source.folder)
    return sorted(str(path) for path in Path(source.folder).glob("*") if path.suffix in MODEL_FILES)


# Models that come as GGUF files; a dequantised folder is made once, proven, and read by everything behind it.
CONVERTED = [name for name, model in CONFIG.models.items() if model.is_converted]


rule convert:
    input:
        lambda wildcards: at_hand(missing_data.gguf_files, wildcards.model),
    output:
        card=AT.converted("{model}"),
    log:
        f"{CONFIG.results}/logs/convert.{{model}}.log",
    benchmark:
        f"{CONFIG.results}/logs/convert.{{model}}.tsv"
    wildcard_constraints:
        model="|".join(map(re.escape, CONVERTED)) or NOBODY,
    priority: 30
    threads: threads_of("convert")
    resources:
        **needs("convert"),
    params:
        source=lambda wildcards: {
            key: options(CONFIG, "models")["models"][wildcards.model][key] for key in ("sha256", "dtype", "plain_english")
        },
        code=stage_fingerprint("convert"),
    script:
        "../scripts/convert.py"


# Models that are made here from another model of the run, by training.
TUNED = {name: model.tuned for name, model in CONFIG.models.items() if model.tuned}


def trained_on(model):
    """Prompt sets that a model is trained on, each once."""
    return list(dict.fromkeys(part.prompts for part in TUNED[model].data))


rule tune:
    input:
        model=lambda wildcards: AT.model(TUNED[wildcards.model].from_),
        prompts=lambda wildcards: [AT.prompts(SUBJECTS[wildcards.model], name) for name in trained_on(wildcards.model)],
    output:
        card=AT.tuned("{model}"),
    log:
        f"{CONFIG.results}/logs/tune.{{model}}.log",
    benchmark:
        f"{CONFIG.results}/logs/tune.{{model}}.tsv"
    wildcard_constraints:
        model="|".join(map(re.escape, TUNED)) or NOBODY,
    priority: 30
    threads: threads_of("tune")
    resources:
        **needs("tune"),
    params:
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        source=lambda wildcards: options(CONFIG, "models")["models"][wildcards.model]["tuned"],
        sets=lambda wildcards: trained_on(wildcards.model),
        code=stage_fingerprint("tune"),
    script:
        "../scripts/tune.py"


rule model_card:
    input:
        model_files,
    output:
        card=AT.model("{model}"),
    log:
        f"{CONFIG.results}/logs/model_card.{{model}}.log",
    priority: 30
    params:
        subject=lambda wildcards: vars(EVERYONE[wildcards.model].without_foreign),
        source=lambda wildcards: options(CONFIG, "models")["models"].get(wildcards.model),
        sites=list(target_modules(CONFIG)),
        inputs_at=list(inputs_at(CONFIG)),
        mirror=CONFIG.data.mirror,
        converted=lambda wildcards: wildcards.model in CONVERTED,
        tuned=lambda wildcards: wildcards.model in TUNED,
        threads=CONFIG.serving.settled_threads,
        code=stage_fingerprint("card"),
    script:
        "../scripts/model_card.py"


def entry_of(name):
    """What the registry knows of a prompt set, as plain JSON; None for files of one's own."""
    dataset = CONFIG.prompt_sets[name].dataset
    return ENTRIES[dataset.partition("/")[0]].model_dump(mode="json") if dataset else None


def set_checks(name):
    """Modules of papers that look at a prompt set as soon as it is read."""
    return [module for paper in PAPERS.values() for one, module in paper.set_checks(CONFIG).items() if one == name]


rule prompt_set:
    input:
        files=lambda wildcards: at_hand(missing_data.set_files, wildcards.set),
    output:
        table=f"{CONFIG.results}/prompts/{{set}}.parquet",
    log:
        f"{CONFIG.results}/logs/prompt_set.{{set}}.log",
    priority: 30
    params:
        source=lambda wildcards: options(CONFIG, "prompt_sets")["prompt_sets"][wildcards.set],
        entry=lambda wildcards: entry_of(wildcards.set),
        phases=lambda wildcards: list(READ.get(wildcards.set, [])),
        folder=CONFIG.data.folder,
        checks=lambda wildcards: set_checks(wildcards.set),
        code=lambda wildcards: [stage_fingerprint("prompt_set"), *map(stage_fingerprint, set_checks(wildcards.set))],
    script:
        "../scripts/prompt_set.py"


REQUEST_SETS = tuple(name for name in PHASES if name not in OPTIONAL)


def prompt_tables(model, names=REQUEST_SETS):
    """The tables of prompt sets for a model: the organism's own, or those of the configuration.

    The organism's tables are written with its world, whose small file is what Snakemake compares.
    """
    subject = SUBJECTS[model]
    if subject.is_organism:
        return [AT.world(subject.seed)]
    return [AT.prompts(subject, name) for name in names]


def world_of(model):
    """The world of a member of the organism, beside which its tables lie."""
    return [AT.world(EVERYONE[model].seed)] if EVERYONE[model].is_organism else []
