"""The toy paper as a recipe."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.costs.job_kinds import SHARED
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.interventions.variant import Variant
from anatomy.recipes.recipe import Recipe
from anatomy.recipes.toy.options import Toy

EDIT = "toy.pruned"
CAPTIONS = Path(__file__).parent / "captions"


def is_pruned(config: Config, subject: Subject) -> bool:
    """Whether a model is the one that is pruned."""
    return config.toy.model in (subject.id, subject.member)


def pruned(config: Config) -> list[Subject]:
    """The model that is pruned, of every seed."""
    return [subject for subject in subjects(config) if is_pruned(config, subject)]


def check(config: Config) -> None:
    """The model that is pruned is one that the run grows."""
    for option in ("model", "beside"):
        if (name := getattr(config.toy, option)) not in config.organism.members:
            raise ValueError(f"toy.{option} is {name!r}; expected one of {sorted(config.organism.members)}")


def on_test(config: Config, subject: Subject) -> list[Variant]:
    """The model as it is, and pruned."""
    if not is_pruned(config, subject):
        return []
    sets = tuple(config.evaluation.pair)
    edit = {"made": EDIT}
    return [Variant("base", "base", (), sets), Variant("pruned", "measure", (edit,), sets, family="pruned", form="pruned")]


def evidence(config: Config) -> dict[str, list[str]]:
    """Answers and verdicts on the test split."""
    at, models = Layout(config.results), [subject.id for subject in pruned(config)]
    buckets = range(config.serving.buckets)
    return {
        "judgements": [at.stage("judge", model, "test.parquet") for model in models],
        "variants": [at.stage("evaluate", model, f"test.{bucket}.variants.parquet") for model in models for bucket in buckets],
    }


RECIPE = Recipe(
    name="toy",
    paper="A toy (tests)",
    section=Toy,
    about="pruning of the weights that write along the refusal direction",
    report="anatomy.recipes.toy.report",
    summary="Whether pruning what writes along the refusal direction lowers refusal.",
    studied=lambda config: [subject.id for subject in pruned(config)],
    evidence=evidence,
    check=check,
    engine={"test": on_test},
    found=lambda config, subject, phase: [
        Layout(config.results).stage("edit", one.id, f"{EDIT}.json") for one in pruned(config) if one == subject
    ],
    jobs={"toy_make_edit": SHARED["make_edit"]},
    plans=lambda config: [
        FigurePlan(f"pruned.{one.id}", "pruned", "pruned", f"Refusal, pruned: {one.id}", (one.id,), captions=CAPTIONS)
        for one in pruned(config)
    ],
    tables=("rates",),
)
