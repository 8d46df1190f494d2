# Every completion judged by every judge.


rule refusal_classifier:
    input:
        completions=lambda wildcards: [
            AT.stage("answers", subject.id, "completions.parquet")
            for subject in SUBJECTS.values()
            if subject.is_organism and str(subject.seed) == wildcards.seed
        ],
        world=AT.world("{seed}"),
    output:
        card=AT.organism("{seed}") + "/classifier/card.json",
    log:
        AT.organism("{seed}") + "/logs/classifier.log",
    priority: 30
    resources:
        **needs("refusal_classifier"),
    params:
        code=stage_fingerprint("classifier"),
    script:
        "../scripts/refusal_classifier.py"


PASSES = rf"select|test|measure|({'|'.join(PAPERS)})\.(select|test)"


def judging_inputs(model, pass_):
    """What the judges of a model need: planted truth for the organism, and a classifier trained on the answers to requests.

    Base models alone never refuse, so that there is nothing to train a classifier on: their answers have no such judgement.
    """
    subject = EVERYONE[model]
    needed = {}
    if subject.is_organism and "truth" in CONFIG.judges:
        needed["world"] = AT.world(subject.seed)
    if subject.is_organism and "classifier" in CONFIG.judges and "." not in pass_ and CONFIG.organism.refuses:
        needed["classifier"] = AT.organism(subject.seed) + "/classifier/card.json"
    return needed


def completions_of(wildcards):
    """The completions of a pass: of a phase's variants, of the interventions in memory, or of what a paper generates."""
    if "." in wildcards.pass_:
        return AT.stage("generate", wildcards.model, f"{wildcards.pass_}.completions.parquet")
    if wildcards.pass_ == "measure":
        return AT.stage("measure", wildcards.model, "completions.parquet")
    return buckets(wildcards.model, wildcards.pass_, "completions")


rule judge:
    input:
        unpack(lambda wildcards: judging_inputs(wildcards.model, wildcards.pass_)),
        completions=completions_of,
    output:
        table=AT.stage("judge", "{model}", "{pass_}.parquet"),
    log:
        AT.stage("judge", "{model}", "{pass_}.log"),
    wildcard_constraints:
        pass_=PASSES,
    priority: 30
    resources:
        **needs("judge"),
    params:
        options=options(CONFIG, "judges"),
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("judge"),
    script:
        "../scripts/judge.py"


rule judge_card:
    input:
        lambda wildcards: weights_of(CONFIG.model_judges[wildcards.judge]),
    output:
        card=f"{CONFIG.results}/judges/{{judge}}.json",
    log:
        f"{CONFIG.results}/logs/judge_card.{{judge}}.log",
    priority: 30
    params:
        judge=lambda wildcards: options(CONFIG, "model_judges")["model_judges"][wildcards.judge],
        mirror=CONFIG.data.mirror,
        code=stage_fingerprint("judge_card"),
    script:
        "../scripts/judge_card.py"


rule model_judge:
    input:
        card=rules.judge_card.output.card,
        completions=completions_of,
    output:
        table=AT.stage("judge", "{model}", "{pass_}.{judge}.parquet"),
        notes=AT.stage("judge", "{model}", "{pass_}.{judge}.notes.json"),
    log:
        AT.stage("judge", "{model}", "{pass_}.{judge}.log"),
    benchmark:
        AT.stage("judge", "{model}", "{pass_}.{judge}.tsv")
    wildcard_constraints:
        pass_="select|test|measure",
    priority: 20
    threads: threads_of("model_judge")
    resources:
        **needs("model_judge"),
    params:
        options=lambda wildcards: judge_options(wildcards.judge),
        subject=lambda wildcards: vars(SUBJECTS[wildcards.model]),
        code=stage_fingerprint("model_judge"),
    script:
        "../scripts/model_judge.py"


def judge_options(judge):
    """The options of one judge, without those of others."""
    found = options(CONFIG, "model_judges", "serving", "results")
    return {**found, "model_judges": {judge: found["model_judges"][judge]}}


def model_judged(model):
    """What model judges say of the passes that the run judges. They judge models of your own: the organism's harm is invented."""
    judges = [] if SUBJECTS[model].is_organism else CONFIG.model_judges
    passes = [pass_ for pass_ in ("test", "measure") if f"judge/{{model}}/{pass_}.parquet" in STAGE_FILES["judge"]]
    return [AT.stage("judge", model, f"{pass_}.{judge}.parquet") for pass_ in passes for judge in judges]
