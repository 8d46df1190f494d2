"""The mechanism battery (survey arXiv 2602.11180) as a recipe."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.config.subjects import require_names_of_models
from anatomy.costs.job_kind import JobKind, RuleNeed
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.mechanisms.circuit_tables import CIRCUIT_COLUMNS
from anatomy.recipes.mechanisms.evidence_tables import further
from anatomy.recipes.mechanisms.neighbours import base_of
from anatomy.recipes.mechanisms.options import Mechanisms
from anatomy.recipes.mechanisms.prompts_read import sets_read
from anatomy.recipes.mechanisms.shapes import require_fitting_shapes
from anatomy.recipes.mechanisms.work import is_looked_into, stage_work
from anatomy.recipes.recipe import Recipe

CAPTIONS = Path(__file__).parent / "captions"
SUMMARY = (
    "The mechanism battery: instruments that a survey of mechanistic interpretability for alignment (arXiv 2602.11180) names, "
    "all of them on one model and one question, what tells a refused prompt from an answered one. Formulas are the standard ones "
    "and not the survey's. Probes show what can be decoded and not what is used; patches show what is used."
)
COLUMNS = {
    "probes": ("id", "group", "label", "score", "probe", "layer", "control"),
    "probe_places": ("id", "group", "label", "score", "position", "layer", "control", "request"),
    "lens": (
        *("id", "layer", "lens", "metric", "agrees", "kl", "probability", "rank", "opener_probability", "opener_rank"),
        *("random_probability", "random_rank", "answer_probability", "answer_rank", "side", "group"),
    ),
    "lens_tokens": ("kind", "token", "text", "share"),
    "patching": (
        *("part", "layer", "column", "head", "way", "patched", "clean", "corrupt", "recovery", "predicted", "id", "corrupt_id"),
        "group",
    ),
    "direct": ("id", "direction", "layer", "part", "head", "contribution", "group"),
    "attention": ("id", "layer", "head", "instruction", "template_before", "template_after", "entropy", "side"),
    "steering": ("id", "dose", "metric", "kl", "side", "direction", "group"),
    "picked": ("outcome", "position", "layer"),
}
"""Tables of a model, each with a column ``model`` too; those that a model without refusal tokens lacks have no rows."""


def check(config: Config) -> None:
    """Combinations that no single section can see."""
    require_names_of_models("mechanisms.models", config.mechanisms.models, config.models)
    require_fitting_shapes(config, looked_into(config))


def looked_into(config: Config) -> list[Subject]:
    """Every model of a run that instruments look into."""
    return [subject for subject in subjects(config) if is_looked_into(config, subject)]


def evidence(config: Config) -> dict[str, list[str]]:
    """Files that its claims, figures and page are made from."""
    at = Layout(config.results)
    return {
        table: [at.stage("measure", subject.id, f"mechanisms.{table}.parquet") for subject in looked_into(config)]
        for table in (*COLUMNS, *CIRCUIT_COLUMNS, *further(config))
    }


def plans(config: Config) -> list[FigurePlan]:
    """Its figures, model by model."""
    kinds = {
        "atlas": "Where each instrument says that refusal sits",
        "patching": "Activation patching, place by place",
        "heads": "Activation patching, head by head",
        "predicted": "What attribution patching predicts of a patch",
        "lens": "What each layer would answer",
        "probes": "What a probe reads at each layer",
        "places": "What a probe reads at each layer and token",
        "direct": "What each block writes along the direction",
        "attention": "Where the last token looks",
        "steering": "What doses of the direction do",
        "modes": "What ways of steering do",
        "layers": "What each layer's own direction does",
        "exchanged": "Where training put refusal",
        "paths": "What heads do by themselves, and through later heads",
        "interchange": "What a learned subspace carries",
        "facts": "Where facts are carried and rewritten",
        "features": "What steering by features does",
        "angles": "Angles between directions",
        "moved": "Tokens on which a model and its base differ",
        "shifts": "What alignment moved, with and without the template's share",
    }
    return [
        FigurePlan(f"{kind}.{subject.id}", kind, "mechanisms", f"{title}: {subject.id}", (subject.id,), captions=CAPTIONS)
        for subject in looked_into(config)
        for kind, title in kinds.items()
        if (kind not in ("features", "facts") or getattr(config.mechanisms, kind) is not None)
        and (kind != "exchanged" or (subject.is_organism and base_of(config, subject) is not None))
    ]


RECIPE = Recipe(
    name="mechanisms",
    paper="Mechanism battery (survey arXiv 2602.11180)",
    section=Mechanisms,
    about="where alignment sits, seen by every instrument",
    report="anatomy.recipes.mechanisms.report",
    summary=SUMMARY,
    studied=lambda config: [subject.id for subject in looked_into(config)],
    evidence=evidence,
    check=check,
    asked=lambda config: bool(looked_into(config)),
    reads=lambda config: (
        sets_read(config)
        if "mechanisms" in config.recipes and any(not subject.is_organism for subject in looked_into(config))
        else {}
    ),
    work=stage_work,
    jobs={
        "mechanisms_look": JobKind(RuleNeed(3000, 60, "transformers", 60), 8.0, lambda wildcards: ["look"]),
        "mechanisms_circuits": JobKind(RuleNeed(3000, 30, "transformers", 60), 8.0, lambda wildcards: ["circuits"]),
        "mechanisms_facts": JobKind(RuleNeed(3000, 20, "transformers", 20), 8.0, lambda wildcards: ["facts"]),
        "mechanisms_features": JobKind(RuleNeed(3000, 20, "transformers", 20), 10.0, lambda wildcards: ["features"]),
        "mechanisms_geometry": JobKind(RuleNeed(3000, 20, "transformers", 20), 8.0, lambda wildcards: ["geometry"]),
    },
    plans=plans,
    tables=(
        "agreement",
        "tops",
        "modes",
        "profiles",
        "pairs",
        "aurocs",
        "places",
        "lenses",
        "tokens",
        "writers",
        "heads",
        "subspaces",
        "angles",
        "stability",
        "kinds",
        "seeds",
        "fidelity",
        "nearest",
        "cards",
        "facts",
    ),
    measured=("measure/*/mechanisms.*.tsv",),
)
