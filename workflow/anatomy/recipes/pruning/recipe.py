"""Harm pruning (arXiv 2604.09544, and its predecessor 2402.05162) as a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout
from anatomy.config.subjects import require_names_of_models
from anatomy.costs.job_kind import JobKind, RuleNeed
from anatomy.costs.job_kinds import SHARED
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.organism import wording
from anatomy.recipes.pruning.judged_draws import told_of_judges
from anatomy.recipes.pruning.options import ABILITIES, Ability, Pruning
from anatomy.recipes.pruning.variants import finetuned, found, on_test, pruned, read_sets
from anatomy.recipes.pruning.work import stage_work
from anatomy.recipes.recipe import Recipe

CAPTIONS = Path(__file__).parent / "captions"
SUMMARY = (
    "Harm pruning (arXiv 2604.09544): the few weights that generating harm depends on, found by the gradients of a model's "
    "own harmful answers and set to zero. Harmful generation never stands without coherence and benign generation beside it: a "
    "broken model is harmless too. Controls are masks with as many weights in every matrix."
)
NEEDED = ("generation", "benign")
PRUNED_ABILITIES: tuple[Ability, ...] = ("generation", "refusal")
"""What is asked with harmful requests, and of which masks are made that leave benign answers."""


def check(config: Config) -> None:
    """Combinations that no single section can see."""
    wanted = config.pruning
    several = {
        "models": wanted.models,
        "pairs": [*wanted.pairs, *wanted.pairs.values()],
        "finetuning.models": wanted.finetuning.models,
    }
    for option, names in several.items():
        require_names_of_models(f"pruning.{option}", names, config.models)
    if "pruning" not in config.recipes:
        return
    grown = [name for name in wanted.models if name in config.organism.members]
    if grown and (unknown := [kind for kind in wanted.scored or [] if kind not in wording.HARMFUL]):
        raise ValueError(
            f"pruning.scored names {unknown[0]!r}, which {grown[0]} has no prompts of; expected null for all, or kinds of harm "
            f"of the organism: {sorted(wording.HARMFUL)}"
        )
    own = [name for name in wanted.models if name in config.models]
    if own and (lacking := [ability for ability in NEEDED if ability not in wanted.sets]):
        raise ValueError(f"pruning.sets has no {lacking[0]}, which {own[0]} needs; expected prompt sets for {', '.join(NEEDED)}")
    asked = [(f"sets.{ability}", name) for ability, name in wanted.sets.items()]
    asked += [(f"further.{ability}", name) for ability, names in wanted.further.items() for name in names]
    asked += [("text", wanted.text)] if wanted.text is not None else []
    for option, name in asked:
        if name not in config.prompt_sets:
            raise ValueError(f"pruning.{option} names {name!r}; expected a prompt set, one of {sorted(config.prompt_sets)}")
    require_sets_apart(wanted)
    if max(wanted.prune) == 0:
        raise ValueError("pruning.prune asks for no weights; expected a fraction above 0")


def require_sets_apart(wanted: Pruning) -> None:
    """Refuse (``ValueError``) a set that is asked twice for one ability, or whose answers are pruned and preserved."""
    several = {ability: [*filter(None, [wanted.sets.get(ability)]), *wanted.further.get(ability, [])] for ability in ABILITIES}
    for ability, names in several.items():
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(
                f"pruning.sets and pruning.further name {twice[0]!r} twice for {ability}; expected each prompt set once: its "
                "prompts would count twice"
            )
    for asked in PRUNED_ABILITIES:
        if both := [name for name in several[asked] if name in several["benign"]]:
            raise ValueError(
                f"pruning.sets and pruning.further name {both[0]!r} for {asked} and for benign; expected requests that are "
                "harmful in the one and harmless in the other: what is pruned would be preserved"
            )
    if alone := [aligned for aligned, base in wanted.pairs.items() if aligned == base]:
        raise ValueError(f"pruning.pairs compares {alone[0]} with itself; expected the base that it was made from")


def evidence(config: Config) -> dict[str, list[str]]:
    """Files that its claims, figures and page are made from."""
    at, studied, buckets = Layout(config.results), pruned(config), range(config.serving.buckets)
    tuned = finetuned(config)
    return {
        "judgements": [
            at.stage("judge", subject.id, f"test{judge}.parquet")
            for subject in studied
            for judge in ("", *(() if subject.is_organism else (f".{name}" for name in config.model_judges)))
        ],
        **{
            table: [
                at.stage("evaluate", subject.id, f"test.{bucket}.{table}.parquet") for subject in studied for bucket in buckets
            ]
            for table in ("variants", "samples")
        },
        "divergences": [at.stage("divergence", subject.id, "test.parquet") for subject in studied],
        **{table: [at.stage("measure", subject.id, f"pruning.{table}.parquet") for subject in studied] for table in TABLES},
        **{
            table: [at.stage("measure", subject.id, f"pruning.{table}.parquet") for subject in tuned]
            for table in FINETUNED
            if tuned
        },
    }


FINETUNED = ("emergent", "restoration", "finetuned_beside")
TABLES = (
    *("values", "masks", "mask_divergences", "mask_nats", "overlaps", "places", "heads", "losses", "spaces"),
    *("grid_values", "grid_masks", "grid_divergences", "grid_nats", "limits"),
)


def plans(config: Config) -> list[FigurePlan]:
    """Its figures, model by model, and one of all models."""
    kinds = {
        "tradeoff": "Harmful against benign generation, mask by mask",
        "front": "What each mask removes, beside its controls",
        "beside": "The chosen mask beside its controls",
        "transfer": "Pruned on one kind of harm, asked for another",
        "overlap": "Overlap of masks",
        "dissociation": "What pruning one ability leaves of the others",
        "anatomy": "Where the chosen mask sits",
        "heads": "Where the chosen mask sits, head by head",
        "spaces": "Spaces of outputs on harmful and on benign answers",
        "emergent": "Misalignment that spreads from a narrow fine-tune",
        "restoration": "Harmful generation that a fine-tune brings back",
        "losses": "Loss that scores predict, and loss that masks bring",
    }
    found = [
        FigurePlan(f"{kind}.{subject.id}", kind, "pruning", f"{title}: {subject.id}", (subject.id,), captions=CAPTIONS)
        for subject in pruned(config)
        for kind, title in kinds.items()
    ]
    ids = tuple(subject.id for subject in pruned(config))
    title = "How far harmful generation separates from benign"
    return [*found, FigurePlan("compression", "compression", "pruning", title, ids, captions=CAPTIONS)] if len(ids) > 1 else found


def _job(stage: str, minutes: int) -> JobKind:
    return JobKind(RuleNeed(2500, 60, "transformers", minutes), 8.0, lambda wildcards: [stage])


RECIPE = Recipe(
    name="pruning",
    paper="Harm pruning (arXiv 2604.09544)",
    section=Pruning,
    about="the few weights that generating harm depends on",
    report="anatomy.recipes.pruning.report",
    summary=SUMMARY,
    studied=lambda config: [subject.id for subject in pruned(config)],
    evidence=evidence,
    check=check,
    asked=lambda config: bool(pruned(config)),
    reads=lambda config: (
        {phase: set(config.pruning.sets.values()) for phase in ("fit", "select")} | {"test": set(read_sets(config))}
        if any(not subject.is_organism for subject in pruned(config))
        else {}
    ),
    engine={"test": on_test},
    told=told_of_judges,
    found=found,
    work=stage_work,
    jobs={
        "pruning_scores": _job("pruning_scores", 60),
        "pruning_grid": _job("pruning_grid", 120),
        "pruning_make_edit": replace(SHARED["make_edit"], opens=False),
        "pruning_make_control": SHARED["make_edit"],
        "pruning_test": _job("pruning_test", 120),
        "pruning_finetuned": _job("pruning_finetuned", 60),
    },
    plans=plans,
    tables=(
        "chosen",
        "divergence",
        "limits",
        "controls",
        "judged",
        "moved",
        "perplexity",
        "abilities",
        "transfer",
        "overlaps",
        "compression",
        "anatomy",
        "heads",
        "spaces",
        "finetuned",
    ),
    measured=("extract/*/pruning.*.tsv", "edit/*/pruning.*.tsv", "measure/*/pruning.*.tsv"),
)
