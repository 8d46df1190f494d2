"""Superficial knowledge (arXiv 2502.04602) as a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.config.subjects import require_names_of_models
from anatomy.costs.job_kind import JobKind, RuleNeed
from anatomy.costs.job_kinds import SHARED
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.recipe import Recipe
from anatomy.recipes.superficial.options import Superficial
from anatomy.recipes.superficial.pairs import (
    FINE_TUNED,
    Pair,
    asked_otherwise,
    family,
    heads_of_base,
    is_fine_tuned,
    orders,
    pairs,
)
from anatomy.recipes.superficial.variants import asked, on_test
from anatomy.recipes.superficial.work import stage_work

CAPTIONS = Path(__file__).parent / "captions"
SUMMARY = (
    "Superficial knowledge (arXiv 2502.04602): how much of alignment a linear residual on the base's output head explains when "
    "all else stays frozen. Superficial means what this many parameters can carry, and not a kind of knowledge; the controls say "
    "what a head of equal size does without the aligned model's answers, from an early layer, or from a placebo."
)


def check(config: Config) -> None:
    """Combinations that no single section can see."""
    wanted = config.superficial
    for option, side in (("pairs", wanted.pairs), ("controls", wanted.controls)):
        require_names_of_models(f"superficial.{option}", [*side, *side.values()], config.models)
        for aligned, base in side.items():
            for known in (set(config.organism.members), set(config.models)):
                if (aligned in known) != (base in known) and "superficial" in config.recipes:
                    there, lost = (base, aligned) if base in known else (aligned, base)
                    raise ValueError(
                        f"superficial.{option} has {aligned!r} of {base!r}, and this run has {there!r} alone; expected {lost!r} "
                        f"beside it, or other superficial.{option}"
                    )
    if both := sorted(set(wanted.pairs) & set(wanted.controls)):
        raise ValueError(f"superficial.controls names {both[0]!r}, which superficial.pairs has too; expected it in one of them")
    if wanted.toxicity.classifier is not None and wanted.toxicity.prompts not in config.evaluation.test_sets:
        raise ValueError(
            f"superficial.toxicity.prompts is {wanted.toxicity.prompts!r}; expected one of the sets of evaluation, "
            f"{config.evaluation.test_sets}"
        )
    if wanted.questions not in wanted.tasks:
        raise ValueError(
            f"superficial.questions is {wanted.questions!r}; expected one of superficial.tasks, {sorted(wanted.tasks)}"
        )
    if twice := sorted(name for name in set(wanted.tasks.values()) if list(wanted.tasks.values()).count(name) > 1):
        raise ValueError(f"superficial.tasks names the set {twice[0]!r} twice; expected a set of its own for each task")
    heads_to = wanted.transfer.to if wanted.transfer else {}
    others = [name for several in heads_to.values() for name in several]
    if wanted.transfer and wanted.transfer.broken not in (None, *others):
        raise ValueError(
            f"superficial.transfer.broken is {wanted.transfer.broken!r}; expected one of to, {sorted(others)}, or null"
        )
    require_names_of_models("superficial.transfer.to", [*heads_to, *others], config.models)
    reserved = {"pooled", "shuffled", "random", *(f"rank{rank}" for rank in wanted.ranks)}
    if taken := sorted(reserved & set(wanted.tasks)):
        raise ValueError(f"superficial.tasks has a task {taken[0]!r}, which is a head's name; expected another")


def studied(config: Config) -> list[str]:
    """Both models of every pair."""
    return sorted({model for pair in pairs(config) for model in (pair.aligned, pair.base)})


def studied_pairs(config: Config) -> list[str]:
    """Both models of every pair that claims are about."""
    return sorted({model for pair in pairs(config) if not pair.is_control for model in (pair.aligned, pair.base)})


def evidence(config: Config) -> dict[str, list[str]]:
    """Files that its claims, figures and page are made from."""
    at, both = Layout(config.results), studied(config)
    aligned = [pair.aligned for pair in pairs(config) if not pair.is_control]
    otherwise = [subject.id for subject in subjects(config) if subject.id in both and asked_otherwise(config, subject)]
    buckets = range(config.serving.buckets)
    return {
        "completions": [
            at.stage("evaluate", model, f"test.{bucket}.completions.parquet") for model in both for bucket in buckets
        ],
        "judgements": [
            *(at.stage("judge", model, "test.parquet") for model in both),
            *(at.stage("judge", model, "superficial.test.parquet") for model in otherwise),
        ],
        "variants": [
            *(at.stage("evaluate", model, f"test.{bucket}.variants.parquet") for model in both for bucket in buckets),
            *(at.stage("generate", model, "superficial.test.variants.parquet") for model in otherwise),
        ],
        "samples": [at.stage("evaluate", model, f"test.{bucket}.samples.parquet") for model in both for bucket in buckets],
        **{table: [at.stage("measure", model, f"superficial.{table}.parquet") for model in aligned] for table in TABLES},
        **{
            table: [
                at.stage("measure", pair.aligned, f"superficial.{table}.parquet")
                for pair in pairs(config)
                if family(config, pair)
            ]
            for table in TRANSFERRED
        },
        "toxicity": [at.stage("measure", model, "superficial.toxicity.parquet") for model in studied_pairs(config)],
        "targets": [at.stage("extract", pair.aligned, "superficial.targets.json") for pair in pairs(config)],
    }


TABLES = ("kl", "shifts", "facts", "orders")
TRANSFERRED = ("transfer", "sweep")


def found(config: Config, subject: Subject, phase: str) -> list[str]:
    """Its heads, once they are made."""
    at = Layout(config.results)
    names = [head.name for head in heads_of_base(config, subject)] + [FINE_TUNED] * is_fine_tuned(config, subject)
    return [at.stage("edit", subject.id, f"superficial.{name}.json") for name in names]


def reads(config: Config) -> dict[str, set[str]]:
    """Prompt sets by phase, for models of one's own."""
    if not any(pair.aligned in config.models for pair in pairs(config)):
        return {}
    return {"fit": set(config.superficial.tasks.values()), "test": set(config.evaluation.test_sets)}


def answered(config: Config) -> dict[str, str]:
    """Prompt sets whose responses become examples, for models of one's own. Refusals of harmful requests are ours."""
    few = config.superficial.baselines
    if not (few.demonstrations or few.examples) or not any(pair.aligned in config.models for pair in pairs(config)):
        return {}
    switch = "set superficial.baselines to {demonstrations: 0, examples: 0}"
    return {name: switch for name in config.superficial.tasks.values() if name != config.evaluation.harmful}


def departure(config: Config) -> str:
    """What titles say of heads that are not the paper's; nothing where they are."""
    most = config.superficial.union
    return "" if most is None else f" (heads change the {most:,} likeliest tokens)"


def plans(config: Config) -> list[FigurePlan]:
    """Its figures, pair by pair."""
    kinds = {
        "gains": "What a head explains",
        "orders": "The template control",
        "kl_by_position": "Divergence from the aligned model, token by token",
        "heads": "What each head leaves of the divergence",
        "ranks": "What a rank is enough for",
        "shift_tokens": "Tokens that the aligned model puts in place of the base's",
        "transfer": "The head on other models of the family",
        "sweep": "How many logits the transferable head reads",
        "cover": "Shifts whose target is among the base's likeliest tokens",
    }
    there: dict[str, Callable[[Pair], bool]] = {
        **dict.fromkeys(kinds, lambda pair: True),
        **dict.fromkeys(("transfer", "sweep"), lambda pair: bool(family(config, pair))),
        "orders": lambda pair: bool(orders(config, pair)),
        "ranks": lambda pair: bool(config.superficial.ranks),
    }
    return [
        FigurePlan(
            f"{kind}.{pair.aligned}",
            kind,
            "superficial",
            f"{title}: {pair.aligned}{departure(config)}",
            (pair.aligned, pair.base),
            captions=CAPTIONS,
        )
        for pair in pairs(config)
        if not pair.is_control
        for kind, title in kinds.items()
        if there[kind](pair)
    ]


JOBS = {
    "superficial_generate": replace(SHARED["generate"], work=lambda wildcards: [f"superficial.{wildcards['phase']}"]),
    "superficial_targets": JobKind(RuleNeed(2500, 60, "transformers", 60), 6.0, lambda wildcards: ["superficial_targets"]),
    "superficial_make_edit": replace(SHARED["make_edit"], opens=False),
    "superficial_fine_tune": SHARED["make_edit"],
    "superficial_ordered_targets": JobKind(
        RuleNeed(2500, 60, "transformers", 60), 6.0, lambda wildcards: ["superficial_targets"]
    ),
    "superficial_toxicity": JobKind(RuleNeed(2500, 60), 3.0),
    "superficial_transfer": JobKind(RuleNeed(3500, 120, "transformers", 120), 8.0, lambda wildcards: ["superficial_transfer"]),
    "superficial_diagnostics": JobKind(
        RuleNeed(2500, 60, "transformers", 60), 8.0, lambda wildcards: ["superficial_diagnostics"]
    ),
}

RECIPE = Recipe(
    name="superficial",
    paper="Superficial knowledge (arXiv 2502.04602)",
    section=Superficial,
    about="what of alignment a residual on the output head carries",
    report="anatomy.recipes.superficial.report",
    summary=SUMMARY,
    studied=studied,
    evidence=evidence,
    check=check,
    asked=lambda config: bool(pairs(config)),
    reads=reads,
    answered=answered,
    engine={"test": on_test},
    found=found,
    in_memory=asked,
    speaking="anatomy.recipes.superficial.speaking",
    work=stage_work,
    jobs=JOBS,
    plans=plans,
    tables=("gains", "refusals", "heads", "orders", "spoken", "kinds", "cover", "transfer", "sweep"),
    measured=("generate/*/superficial.*.tsv", "extract/*/superficial.*.tsv", "edit/*/superficial.*.tsv"),
)
