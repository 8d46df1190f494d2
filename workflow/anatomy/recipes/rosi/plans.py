"""What ROSI shows: every figure and table as data, cheap to list while rules are parsed."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.rosi.families import is_headline

DETAILED = ("row_mean", "projection")
"""Methods whose effect inside the model is drawn: the paper's form, and ours."""


def detailed(config: Config) -> list[Subject]:
    """Models that get figures of their own: the headline and the aligned ones."""
    return [subject for subject in subjects(config) if is_headline(config, subject) or subject.kind == "aligned"]


def groups(config: Config) -> dict[str, list[Subject]]:
    """Models that share a figure: a family each seed, and all models of your own together."""
    found: dict[str, list[Subject]] = {}
    for subject in subjects(config):
        found.setdefault("models" if subject.seed is None else f"s{subject.seed}", []).append(subject)
    return found


def figure_plans(config: Config) -> list[FigurePlan]:
    """Every figure of a run, in the order of the page."""
    plans = []
    for group, members in groups(config).items():
        names = tuple(subject.id for subject in members)
        rungs = tuple(subject.id for subject in members if subject.kind == "uncensored")
        plans += [
            FigurePlan(f"headline.{group}", "headline", "behaviour", f"What is refused, before and after ({group})", names),
            FigurePlan(f"benchmarks.{group}", "benchmark_change", "utility", f"What it costs ({group})", names),
        ]
        if rungs:
            plans.append(
                FigurePlan(f"realignment.{group}", "realignment", "realignment", f"Bringing refusal back ({group})", rungs)
            )
        if members[0].is_organism and config.organism.bars:
            plans.append(
                FigurePlan(f"organism.{group}", "organism_bars", "organism", f"How the organism behaves ({group})", names)
            )
    grown = tuple(subject.id for subject in subjects(config) if subject.is_organism)
    if len(config.seeds) > 1 and grown:
        plans.append(FigurePlan("seeds", "across_seeds", "behaviour", "Across seeds", grown))
    for subject in detailed(config):
        plans += model_figures(subject.id)
    return plans


def model_figures(model: str) -> list[FigurePlan]:
    """Figures of one model."""
    plans = [
        FigurePlan(f"selection.{model}", "selection_map", "directions", f"Which direction: {model}", (model,)),
        FigurePlan(f"dose.{model}", "dose_response", "strength", f"How strong: {model}", (model,)),
        FigurePlan(f"tradeoff.{model}", "tradeoff", "strength", f"What refusal costs: {model}", (model,)),
        FigurePlan(
            f"front.{model}", "pareto_front", "strength", f"What each search reaches, beside its controls: {model}", (model,)
        ),
    ]
    for family in DETAILED:
        plans += [
            FigurePlan(
                f"categories.{family}.{model}",
                "category_refusal",
                "categories",
                f"By category: {model}, {family}",
                (model,),
                family,
            ),
            FigurePlan(
                f"projections.{family}.{model}",
                "projection_histogram",
                "inside",
                f"Along the direction: {model}, {family}",
                (model,),
                family,
            ),
            FigurePlan(
                f"shift.{family}.{model}", "layer_shift", "inside", f"Net shift by layer: {model}, {family}", (model,), family
            ),
        ]
    return plans


@dataclass(frozen=True)
class TablePlan:
    """One table: its file name, the paper's table it answers, its words, and what it shows.

    Attributes:
        kinds: kinds of models in its rows.
        measures: prompt sets by their role, or ``tasks``.
        arms: (title, family) of each variant beside the unedited model.
    """

    name: str
    section: str
    title: str
    caption: str
    kinds: tuple[str, ...]
    measures: tuple[str, ...]
    arms: tuple[tuple[str, str], ...]

    @property
    def paper(self) -> str:
        """Number of the paper's table that this one answers."""
        return self.name.partition("_")[0].removeprefix("table")


AMPLIFY = (("ROSI", "row_mean"), ("ROSI, sign chosen (ours)", "row_mean_signed"), ("projection (ours)", "projection"))
UNCENSORED = (
    ("ROSI, system prompt", "row_mean"),
    ("ROSI, plain", "row_mean@plain"),
    ("projection, system prompt (ours)", "projection"),
    ("projection, plain (ours)", "projection@plain"),
)
EXTRACTION = (
    ("ROSI", "row_mean"),
    ("ROSI, system prompt", "row_mean@system"),
    ("projection (ours)", "projection"),
    ("projection, system prompt (ours)", "projection@system"),
)
EVERYONE = ("base", "aligned", "placebo")
REFUSED = "Per cent with 95 % intervals clustered by item, test split."
ANSWERED = "Share of wrapped harmful requests that were not refused."
SCORED = "Each task by the metric it is read by."

TABLE_PLANS = (
    TablePlan(
        "table1_refusal",
        "behaviour",
        "Harmful refusal and benign compliance (ROSI Table 1)",
        REFUSED,
        EVERYONE,
        ("harmful", "benign", "lookalike"),
        AMPLIFY,
    ),
    TablePlan(
        "table2_jailbreak",
        "behaviour",
        "Jailbreak-shaped requests answered (ROSI Table 2)",
        ANSWERED,
        EVERYONE,
        ("jailbreak",),
        AMPLIFY,
    ),
    TablePlan("table3_utility", "utility", "Utility (ROSI Table 3)", SCORED, EVERYONE, ("tasks",), AMPLIFY),
    TablePlan(
        "table4_uncensored",
        "realignment",
        "Re-alignment of uncensored models (ROSI Table 4)",
        "Direction extracted under a safety system prompt, or plain; answers without it.",
        ("uncensored",),
        ("harmful", "benign", "lookalike"),
        UNCENSORED,
    ),
    TablePlan(
        "table5_uncensored_jailbreak",
        "realignment",
        "Uncensored models, jailbreak-shaped requests (ROSI Table 5)",
        ANSWERED,
        ("uncensored",),
        ("jailbreak",),
        UNCENSORED,
    ),
    TablePlan(
        "table6_uncensored_utility",
        "realignment",
        "Uncensored models, utility (ROSI Table 6)",
        SCORED,
        ("uncensored",),
        ("tasks",),
        UNCENSORED,
    ),
    TablePlan(
        "table7_extraction",
        "behaviour",
        "Aligned models with and without a system prompt at extraction (ROSI Table 7)",
        REFUSED,
        ("aligned",),
        ("harmful", "benign", "lookalike"),
        EXTRACTION,
    ),
    TablePlan(
        "table8_extraction_jailbreak",
        "behaviour",
        "The same, jailbreak-shaped requests (ROSI Table 8)",
        ANSWERED,
        ("aligned",),
        ("jailbreak",),
        EXTRACTION,
    ),
)
