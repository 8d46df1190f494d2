"""The figures of ROSI: which there are, what each shows, and how it is drawn from the tables of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from anatomy.claims.tables import BASE, MissingEvidence, Tables, VariantSelector, find_variant
from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.errors import DataError

if TYPE_CHECKING:
    import altair as alt

CAPTIONS = Path(__file__).resolve().parents[3] / "report" / "captions"
SHOWN = ("row_mean", "row_mean_signed", "projection")
DETAILED = ("row_mean", "projection")
"""Methods whose effect inside the model is drawn: the paper's form, and ours."""


@dataclass(frozen=True)
class Evidence:
    """What figures are drawn from.

    Attributes:
        tables: all tables of the run.
        rates: refusal rates with intervals (``anatomy.figures.rates``), by the first judge, on the test split.
        scores: benchmark scores with intervals.
        chance: score of guessing, by task.
        bars: the organism's bars; None without an organism.
        adapters: the picked edits: size, share that survives in bfloat16, where they lie.
        picks: pick of the published selection, by model and contrast: (position, layer), or None.
    """

    tables: Tables
    rates: pd.DataFrame
    scores: pd.DataFrame
    chance: dict[str, float]
    bars: pd.DataFrame | None
    adapters: pd.DataFrame
    picks: dict[tuple[str, str], tuple[int, int] | None]


@dataclass(frozen=True)
class FigurePlan:
    """One figure: its file name, what it is a case of, where it stands on the page, its title, and how it is drawn."""

    name: str
    kind: str
    section: str
    title: str
    draw: Callable[[Config, Evidence], alt.TopLevelMixin]

    @property
    def caption(self) -> str:
        """The words below it, on the page and in Snakemake's own report: one file a kind."""
        return (CAPTIONS / f"{self.kind}.rst").read_text(encoding="utf-8").strip()


def detailed(config: Config) -> list[Subject]:
    """Models that get figures of their own: the headline and the aligned ones."""
    return [subject for subject in subjects(config) if subject.headline or subject.kind == "aligned"]


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
        plans += group_figures(group, members)
    for subject in detailed(config):
        plans += model_figures(subject)
    return plans


def group_figures(group: str, members: list[Subject]) -> list[FigurePlan]:
    """Figures that compare the models of a family."""
    names = [subject.id for subject in members]
    rungs = [subject.id for subject in members if subject.kind == "uncensored"]
    plans = [
        FigurePlan(f"headline.{group}", "headline", "behaviour", f"What is refused, before and after ({group})",
                   lambda config, found: _headline(config, found, names)),
        FigurePlan(f"benchmarks.{group}", "benchmark_change", "utility", f"What it costs ({group})",
                   lambda config, found: _benchmarks(found, names)),
    ]
    if rungs:
        plans.append(FigurePlan(f"realignment.{group}", "realignment", "realignment", f"Bringing refusal back ({group})",
                                lambda config, found: _realignment(config, found, rungs)))
    if members[0].is_organism:
        plans.append(FigurePlan(f"organism.{group}", "organism_bars", "organism", f"How the organism behaves ({group})",
                                lambda config, found: _bars(found, members)))
    return plans


def model_figures(subject: Subject) -> list[FigurePlan]:
    """Figures of one model."""
    model, contrast = subject.id, subject.contrasts[0]
    plans = [
        FigurePlan(f"selection.{model}", "selection_map", "directions", f"Which direction: {model}",
                   lambda config, found: _selection(found, model, contrast)),
        FigurePlan(f"dose.{model}", "dose_response", "strength", f"How strong: {model}",
                   lambda config, found: _dose(found, model)),
        FigurePlan(f"tradeoff.{model}", "tradeoff", "strength", f"What refusal costs: {model}",
                   lambda config, found: _tradeoff(config, found, model)),
    ]
    for family in DETAILED:
        plans += [
            FigurePlan(f"categories.{family}.{model}", "category_refusal", "categories", f"By category: {model}, {family}",
                       lambda config, found, family=family: _categories(config, found, model, family)),
            FigurePlan(f"projections.{family}.{model}", "projection_histogram", "inside",
                       f"Along the direction: {model}, {family}",
                       lambda config, found, family=family: _projections(found, model, contrast, family)),
            FigurePlan(f"shift.{family}.{model}", "layer_shift", "inside", f"Net shift by layer: {model}, {family}",
                       lambda config, found, family=family: _shift(config, found, model, family)),
        ]
    return plans


def draw(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    try:
        return plan.draw(config, evidence)
    except (MissingEvidence, DataError) as missing:
        return note(f"{missing.where}: {missing.found}")


def note(text: str) -> alt.TopLevelMixin:
    """A chart that says why there is none."""
    import altair as alt

    from anatomy.figures.theme import MUTED, themed

    chart = alt.Chart(pd.DataFrame({"text": [f"not shown: {text}"]})).mark_text(color=MUTED, fontSize=12, limit=460)
    return themed(chart.encode(text="text:N").properties(width=480, height=60))


def _headline(config: Config, found: Evidence, names: list[str]) -> alt.TopLevelMixin:
    from anatomy.figures.headline import draw as chart

    return chart(found.rates, names, config.evaluation.test_sets, SHOWN)


def _benchmarks(found: Evidence, names: list[str]) -> alt.TopLevelMixin:
    from anatomy.figures.benchmark_change import draw as chart

    if found.scores.empty:
        return note("no benchmark was asked for")
    return chart(found.scores, names, SHOWN, found.chance)


def _realignment(config: Config, found: Evidence, rungs: list[str]) -> alt.TopLevelMixin:
    from anatomy.figures.realignment import draw as chart

    return chart(found.rates, rungs, ("row_mean", "row_mean_signed", "projection", "projection@plain"),
                 [config.extraction.harmful, config.extraction.harmless])


def _bars(found: Evidence, members: list[Subject]) -> alt.TopLevelMixin:
    from anatomy.figures.organism_bars import draw as chart

    bars = found.bars[found.bars["seed"] == members[0].seed]
    return chart(bars, [subject.member for subject in members])


def _selection(found: Evidence, model: str, contrast: str) -> alt.TopLevelMixin:
    from anatomy.figures.selection_map import draw as chart

    return chart(found.tables.grid, model, contrast, found.picks.get((model, contrast)))


def _dose(found: Evidence, model: str) -> alt.TopLevelMixin:
    from anatomy.figures.dose_response import draw as chart

    screen = found.tables.rows("screen", model=model)
    main = ~screen["family"].str.contains("@") & (screen["family"] != "base")
    return chart(screen[main], model)


def _tradeoff(config: Config, found: Evidence, model: str) -> alt.TopLevelMixin:
    from anatomy.figures.tradeoff import draw as chart

    return chart(found.rates, found.scores, model, config.extraction.harmful, config.extraction.harmless)


def _pair(found: Evidence, model: str, family: str) -> tuple[str, str]:
    """Ids of the unedited model and of a method's pick."""
    return (find_variant(found.tables, model, BASE, "test")["variant"],
            find_variant(found.tables, model, VariantSelector("method", family), "test")["variant"])


def _categories(config: Config, found: Evidence, model: str, family: str) -> alt.TopLevelMixin:
    from anatomy.figures.category_refusal import category_rates
    from anatomy.figures.category_refusal import draw as chart

    before, after = _pair(found, model, family)
    table = category_rates(found.tables.judgements, found.tables.completions, model=model, prompts=config.extraction.harmful,
                           judge=config.judges[0], phase="test", before=before, after=after,
                           confidence=config.statistics.confidence)
    return chart(table, before, after, family)


def _projections(found: Evidence, model: str, contrast: str, family: str) -> alt.TopLevelMixin:
    from anatomy.figures.projection_histogram import draw as chart

    before, after = _pair(found, model, family)
    rows = found.tables.rows("projections", model=model, variant=after)
    pick = found.picks.get((model, contrast))
    layer = pick[1] if pick else int(rows["layer"].median())
    return chart(found.tables.projections, model, layer, before, after, family)


def _shift(config: Config, found: Evidence, model: str, family: str) -> alt.TopLevelMixin:
    from anatomy.figures.layer_shift import draw as chart
    from anatomy.figures.layer_shift import shifts

    before, after = _pair(found, model, family)
    found.tables.rows("projections", model=model, variant=after)
    wanted = config.statistics
    return chart(shifts(found.tables.projections, model, before, after, confidence=wanted.confidence, seed=wanted.seed,
                        resamples=wanted.bootstrap))
