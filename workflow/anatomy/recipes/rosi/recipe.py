"""ROSI (arXiv 2508.20766) and the refusal direction under it, as a recipe."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.methods import Controls
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.costs.job_kind import JobKind, RuleNeed
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import StageWork
from anatomy.models.preflight.disk import RunCounts
from anatomy.recipes.recipe import Recipe
from anatomy.recipes.rosi.effort import effort_choices
from anatomy.recipes.rosi.families import drawn_controls, families, layers
from anatomy.recipes.rosi.options import Rosi
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans
from anatomy.recipes.rosi.searched import searched
from anatomy.recipes.rosi.variants import variants_on_select, variants_on_test
from anatomy.recipes.rosi.work import run_counts, stage_work

SUMMARY = (
    "Each sentence of the papers that this run could test stands first, with its statistic and verdict. Below it are the "
    "figures and tables behind the verdicts, answers before and after, and where every number comes from."
)


def check(config: Config) -> None:
    """Combinations that no single section can see."""
    rosi, known = config.rosi, {*config.organism.members, *config.models}
    for form in rosi.forms:
        if not rosi.strengths.get(form):
            raise ValueError(f"rosi.strengths has no entry for form {form!r}, which rosi.forms lists")
    if not all(value > 0 for values in rosi.strengths.values() for value in values):
        raise ValueError(f"rosi.strengths {rosi.strengths}; expected numbers above 0 (signs are searched by themselves)")
    if unknown := sorted(set(rosi.headline) - known):
        raise ValueError(f"rosi.headline names {unknown[0]!r}; expected one of {sorted(known)}")


def studied(config: Config) -> list[str]:
    """Every model under study."""
    return [subject.id for subject in subjects(config)]


def controls(config: Config, subject: Subject) -> Controls:
    """Control directions that its searches screen, and those that the direction itself is ranked among."""
    return drawn_controls(config, subject)


def evidence(config: Config) -> dict[str, list[str]]:
    """Files that its claims, figures and page are made from."""
    at, models = Layout(config.results), subjects(config)
    buckets = range(config.serving.buckets)

    def of(file: str) -> list[str]:
        return [f"{config.results}/{file.format(model=subject.id)}" for subject in models]

    def evaluated(table: str, suffix: str = "parquet") -> list[str]:
        return [at.stage("evaluate", one.id, f"test.{bucket}.{table}.{suffix}") for one in models for bucket in buckets]

    def judged(kind: str) -> list[str]:
        own = [subject.id for subject in models if not subject.is_organism]
        passes = [(model, part, judge) for model in own for part in ("test", "measure") for judge in config.model_judges]
        return [at.stage("judge", model, f"{part}.{judge}.{kind}") for model, part, judge in passes]

    grown = config.organism.members and config.organism.bars
    return {
        "completions": evaluated("completions") + of("measure/{model}/completions.parquet"),
        "judgements": of("judge/{model}/test.parquet") + of("judge/{model}/measure.parquet") + judged("parquet"),
        "judge_notes": judged("notes.json"),
        "samples": evaluated("samples"),
        "tasks": evaluated("tasks", "json"),
        "variants": evaluated("variants") + of("measure/{model}/variants.parquet"),
        "grid": of("localize/{model}/grid.parquet"),
        "screen": of("screen/{model}/screen.parquet"),
        "projections": of("measure/{model}/projections.parquet"),
        "divergences": of("divergence/{model}/test.parquet"),
        "foreign": [at.stage("extract", subject.id, "foreign.json") for subject in models if subject.foreign],
        "refusal_tokens": of("answers/{model}/refusal_tokens.json"),
        "selected": of("localize/{model}/selected.json"),
        "picks": of("edit/{model}/picks.parquet"),
        "adapters": of("edit/{model}/adapters.json"),
        "own_answers": [at.stage("answers", one.id, "completions.parquet") for one in models if not one.is_organism],
        "bars": [f"{at.organism(seed)}/bars.csv" for seed in config.seeds if grown],
    }


def reads(config: Config) -> dict[str, set[str]]:
    """Prompt sets by phase."""
    sides = {config.extraction.harmful, config.extraction.harmless}
    return {"fit": sides, "select": sides, "test": set(config.evaluation.test_sets)}


def found(config: Config, subject: Subject, phase: str) -> list[str]:
    """The shortlist of its searches on the select split, their picks on the test split."""
    stage, file = ("screen", "shortlist.json") if phase == "select" else ("edit", "selected.json")
    return [Layout(config.results).stage(stage, subject.id, file)]


def room(config: Config, subject: Subject, work: Mapping[str, StageWork], prompts: PromptCounts) -> list[RunCounts]:
    """What its rows, directions and adapters take on the disk."""
    return [run_counts(config, subject, work, prompts)]


JOBS = {
    "screen": JobKind(RuleNeed(2500, 120, "transformers", 60), 5.0, lambda wildcards: ["screen"], spreads=True),
    "pick": JobKind(RuleNeed(3500, 60), 1.5),
    "measure": JobKind(
        RuleNeed(2500, 120, "transformers", 60),
        5.0,
        lambda wildcards: ["measure", "project"],
        reuses_rows=True,
        judged=True,
        spreads=True,
    ),
}

RECIPE = Recipe(
    name="rosi",
    paper="ROSI (arXiv 2508.20766), with the refusal direction (arXiv 2406.11717)",
    section=Rosi,
    about="rank-one safety injection and its variants",
    report="anatomy.recipes.rosi.report",
    summary=SUMMARY,
    studied=studied,
    evidence=evidence,
    folder="",
    check=check,
    reads=reads,
    controls=controls,
    engine={"select": variants_on_select, "test": variants_on_test},
    found=found,
    target_modules=lambda config: config.rosi.sites,
    tried_at=lambda config, num_layers: layers(config.rosi, num_layers, config.selection.layer_share),
    inputs_at=lambda config: config.rosi.sites if "mean_input" in config.rosi.forms else (),
    exported=lambda config, subject: [family.name for family in families(config, subject) if not family.control],
    study=lambda model: {"headline": [model]},
    effort=effort_choices,
    ends={
        "localize": ["localize/{model}/selected.json"],
        "screen": ["screen/{model}/shortlist.json"],
        "edit": ["edit/{model}/selected.json"],
        "judge": ["judge/{model}/measure.parquet"],
        "measure": ["measure/{model}/completions.parquet"],
    },
    grown_first=lambda config: config.rosi.headline,
    searched=searched,
    work=stage_work,
    room=room,
    jobs=JOBS,
    plans=figure_plans,
    tables=(*(plan.name for plan in TABLE_PLANS), "selection", "candidates", "edits"),
    printed=tuple(plan.name for plan in TABLE_PLANS),
    measured=("*/*/*.tsv",),
)
