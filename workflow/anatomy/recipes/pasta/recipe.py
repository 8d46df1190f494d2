"""PASTA (arXiv 2605.30526) as a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from anatomy.config.judging import TAKEN
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.config.subjects import require_names_of_models
from anatomy.costs.job_kind import JobKind, RuleNeed, Wildcards
from anatomy.costs.job_kinds import SHARED
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import StageWork
from anatomy.models.preflight.disk import RunCounts
from anatomy.recipes.pasta.options import Pasta
from anatomy.recipes.pasta.pairs import asked_pairs, pairs, relatives
from anatomy.recipes.pasta.plans import TABLES, figure_plans
from anatomy.recipes.pasta.variants import asked
from anatomy.recipes.pasta.work import stage_work
from anatomy.recipes.recipe import PHASES, Recipe

SUMMARY = (
    "PASTA (arXiv 2605.30526), sentence by sentence: post-training moves texts away from human style, an internal "
    "direction goes with it, and taking that direction out shifts the style back. Detectors of machine text are "
    "instruments here, never an objective."
)
CORPUS = (
    "; make the human prefixes of your own documents (python3 envs/bootstrap.py python -m anatomy.texts.continuations --help) "
    "and name the table that it writes as the file of prompt_sets."
)


def check(config: Config) -> None:
    """Combinations that no single section can see."""
    pasta, models = config.pasta, config.models
    if pasta.scorers_seed in config.seeds:
        raise ValueError(
            f"pasta.scorers_seed is {pasta.scorers_seed}, one of seeds {config.seeds}; expected another: a "
            "family scored by itself would say nothing of transfer"
        )
    require_names_of_models("pasta.pairs", [*pasta.pairs, *pasta.pairs.values()], models)
    if both := sorted(set(pasta.pairs) & set(pasta.pairs.values())):
        raise ValueError(f"pasta.pairs has {both[0]!r} on both sides; expected a model to be aligned or a base, not both")
    own = [name for name in pasta.pairs if name in models]
    if plain := [name for name in own if not models[name].template]:
        raise ValueError(
            f"models.{plain[0]}.template is false, and pasta.pairs has it as an aligned model; expected one with a chat "
            "template, since the aligned side of a pair is asked in chats"
        )
    if own and pasta.prefixes not in config.prompt_sets:
        raise ValueError(f"prompt_sets lacks {pasta.prefixes!r}, whose human prefixes the pair of {own[0]!r} continues")
    judge = pasta.pairwise.judge if pasta.pairwise else None
    if judge is not None and judge in {*own, *(pasta.pairs[name] for name in own)}:
        raise ValueError(
            f"pasta.pairwise.judge is {judge!r}, a model of pasta.pairs; expected another, since it would judge its own texts"
        )
    if taken := [name for name in pasta.own_detectors if name in (*TAKEN, *config.model_judges)]:
        raise ValueError(
            f"pasta.own_detectors has {taken[0]!r}, the name of a judge; expected another, since both give verdicts on texts"
        )
    if own and not pasta.own_detectors:
        raise ValueError(f"pasta.own_detectors is empty; expected detectors that score the pair of {own[0]!r}")


def studied(config: Config) -> list[str]:
    """Both models of every pair."""
    return sorted({model for pair in pairs(config) for model in (pair.aligned, pair.base)})


def evidence(config: Config) -> dict[str, list[str]]:
    """Files that its claims, figures and page are made from."""
    at, both, aligned = Layout(config.results), studied(config), [pair.aligned for pair in pairs(config)]
    seeds = {subject.id: subject.seed for subject in subjects(config)}

    def of(models: list[str], stage: str, file: str) -> list[str]:
        return [at.stage(stage, model, file) for model in models]

    return {
        "completions": of(both, "generate", "pasta.test.completions.parquet"),
        "variants": of(both, "generate", "pasta.test.variants.parquet"),
        "judgements": [
            at.stage("judge", model, f"pasta.test.{part}") for model in both for part in ("parquet", "detectors.parquet")
        ],
        **{part: of(aligned, "judge", f"pasta.test.{part}.parquet") for part in ("measures", "agreement")},
        "divergences": of(aligned, "divergence", "pasta.test.parquet"),
        **{part: of(aligned, "localize", f"signature.{part}.parquet") for part in ("curves", "layers", "swap", "operating")},
        **{part: of(aligned, "extract", f"{part}.parquet") for part in ("geometry", "writers")},
        "selected": of(aligned, "localize", "signature.json"),
        "signatures": of(aligned, "extract", "signature.json"),
        "weights": of(aligned, "edit", "signature_weights.parquet"),
        "worlds": [at.world(seed) for seed in config.seeds if any(seeds.get(model) == seed for model in aligned)],
    }


def continues_prefixes(config: Config) -> bool:
    """Whether a pair of models of one's own is to continue human prefixes."""
    return any({aligned, base} <= set(config.models) for aligned, base in config.pasta.pairs.items())


def reads(config: Config) -> dict[str, set[str]]:
    """Prompt sets by phase: prefixes, and requests that say what an ablation costs."""
    if not continues_prefixes(config):
        return {}
    prefixes = {config.pasta.prefixes}
    return {phase: prefixes | (set(config.evaluation.pair) if phase == "select" else set()) for phase in PHASES}


def lacking(config: Config, sets: set[str]) -> str:
    """How to come by prefixes."""
    return CORPUS + config.pasta.prefixes if config.pasta.prefixes in sets else ""


def room(config: Config, subject: Subject, work: Mapping[str, StageWork], prompts: PromptCounts) -> list[RunCounts]:
    """What its continuations take on the disk."""
    texts = sum(stage.answers for name, stage in work.items() if name.startswith("pasta."))
    return [
        RunCounts(
            contrasts=0,
            positions=prompts.lengths.positions,
            controls=0,
            adapters=0,
            kept_adapters=0,
            answers=texts,
            prompt_tokens=round(prompts.tokens),
            max_new_tokens=config.pasta.decoding.max_new_tokens,
            benchmark_rows=0,
        )
    ]


def _scorer(config: Config, wildcards: Wildcards) -> str | None:
    """The model that a job of detectors loads; scorers in folders count as large as the model whose texts they read."""
    model = wildcards["model"]
    if model not in config.models:
        return model
    return next((one.scorer for one in config.pasta.own_detectors.values() if one.scorer in config.models), model)


def _pairwise_judge(config: Config, wildcards: Wildcards) -> str | None:
    """The judge among models of one's own; one in a folder asks for what the rule's overrides say."""
    wanted = config.pasta.pairwise
    return wanted.judge if wanted is not None and wanted.judge in config.models else None


JOBS = {
    "pasta_generate": replace(SHARED["generate"], work=lambda wildcards: [f"pasta.{wildcards['phase']}"]),
    "pasta_hooked_benchmarks": SHARED["hooked_benchmarks"],
    "pasta_divergence": replace(SHARED["divergence"], work=lambda wildcards: ["pasta.divergence"], spreads=False),
    "signature": JobKind(RuleNeed(2500, 60, "transformers", 30), 5.0, lambda wildcards: ["signature"]),
    "localize_signature": JobKind(None, 6.0),
    "signature_weights": JobKind(RuleNeed(2500, 60, "transformers", 30), 5.0),
    "detect": JobKind(
        RuleNeed(2500, 60, "transformers", 30),
        6.0,
        lambda wildcards: [wildcards["pass_"].replace("pasta", "detect")],
        reuses_rows=True,
        model=_scorer,
    ),
    "pairwise": JobKind(RuleNeed(3500, 60, "vllm", 60), 10.0, model=_pairwise_judge),
    "text_measures": JobKind(RuleNeed(2500, 60, "transformers", 5), 6.0),
}

RECIPE = Recipe(
    name="pasta",
    paper="PASTA (arXiv 2605.30526)",
    section=Pasta,
    about="the signature of post-training: measured, localised, ablated",
    report="anatomy.recipes.pasta.report",
    summary=SUMMARY,
    studied=studied,
    evidence=evidence,
    check=check,
    asked=lambda config: bool(asked_pairs(config)),
    beside=relatives,
    reads=reads,
    optional=lambda config: {config.pasta.prefixes},
    set_checks=lambda config: {config.pasta.prefixes: "anatomy.recipes.pasta.stages.checked_prefixes"},
    lacking=lacking,
    in_memory=asked,
    speaking="anatomy.recipes.pasta.speaking",
    work=stage_work,
    room=room,
    jobs=JOBS,
    plans=figure_plans,
    tables=TABLES,
    measured=("generate/*/pasta.*.tsv", "divergence/*/pasta.*.tsv", "extract/*/signature.tsv", "judge/*/pasta.*.tsv"),
)
