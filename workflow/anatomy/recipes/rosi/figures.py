"""How each figure of ROSI is drawn from the tables of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.tables import BASE, Tables, VariantSelector, find_variant
from anatomy.evidence.figures import (
    across_seeds,
    benchmark_change,
    category_refusal,
    dose_response,
    headline,
    layer_shift,
    organism_bars,
    pareto_front,
    projection_histogram,
    realignment,
    selection_map,
    tradeoff,
)
from anatomy.evidence.figures.note import chart_or_note, note
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.rosi.search import Search
from anatomy.recipes.rosi.tried import costs, tried
from anatomy.stages.selected_direction import SelectedDirection, place_of

SHOWN = ("row_mean", "row_mean_signed", "projection")


@dataclass(frozen=True)
class Evidence:
    """What figures are drawn from.

    Attributes:
        tables: all tables of the run.
        rates: refusal rates with intervals (``anatomy.evidence.figures.rates``), by the first judge, on the test split.
        scores: benchmark scores with intervals.
        chance: score of guessing, by task.
        bars: the organism's bars; None without an organism.
        adapters: the picked edits: size, share that survives in bfloat16, where they lie.
        directions: what the search for a direction ended with, by model and contrast.
        published: a paper's numbers (``anatomy.evidence.report.published``); None where none are named.
        searches: of models of one's own, how the search for a direction and for edits began and ended.
        metrics: which metric of a benchmark is read, by task.
        foreign: directions that other tools made, beside the model's own (``foreign_table``).
        divergences: KL from the unedited model on harmless prompts, with intervals; empty where none was measured.
        judge_notes: what model judges could not judge, one row a model, pass and judge; empty without such judges.
    """

    tables: Tables
    rates: pd.DataFrame
    scores: pd.DataFrame
    chance: dict[str, float]
    bars: pd.DataFrame | None
    adapters: pd.DataFrame
    directions: Mapping[tuple[str, str], SelectedDirection]
    published: pd.DataFrame | None = None
    judge_notes: pd.DataFrame = field(default_factory=pd.DataFrame)
    searches: dict[str, Search] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    divergences: pd.DataFrame = field(default_factory=pd.DataFrame)
    foreign: pd.DataFrame = field(default_factory=pd.DataFrame)

    def place(self, model: str, contrast: str) -> tuple[int, int] | None:
        """Position and layer of a model's direction, the pick of the published rule or what comes nearest; None without one."""
        found = self.directions.get((model, contrast))
        return place_of(found) if found else None


def draw(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    return chart_or_note(lambda: DRAWERS[plan.kind](plan, config, evidence), f"nothing measured on {', '.join(plan.models)}")


def pair(found: Evidence, plan: FigurePlan) -> tuple[str, str]:
    """Ids of the unedited model and of the pick of the plan's method."""
    model = plan.models[0]
    return (
        find_variant(found.tables, model, BASE, "test")["variant"],
        find_variant(found.tables, model, VariantSelector("method", plan.family), "test")["variant"],
    )


def main_contrast(config: Config, model: str) -> str:
    """The contrast a model's directions are mainly extracted under."""
    return next(subject.contrasts[0] for subject in subjects(config) if subject.id == model)


def foreign_of(config: Config, model: str) -> tuple[str, ...]:
    """Directions that other tools made for a model."""
    return next(subject.foreign for subject in subjects(config) if subject.id == model)


def _headline(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    return headline.draw(found.rates, plan.models, config.evaluation.test_sets, SHOWN)


def _benchmarks(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    if found.scores.empty:
        return note("no benchmark was asked for")
    return benchmark_change.draw(found.scores, plan.models, SHOWN, found.chance)


def _realignment(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    return realignment.draw(found.rates, plan.models, (*SHOWN, "projection@plain"), config.evaluation.pair)


def _bars(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    if found.bars is None:
        return note("the organism's bars were not measured")
    members = [subject for subject in subjects(config) if subject.id in plan.models]
    return organism_bars.draw(
        found.bars[found.bars["seed"] == members[0].seed], [subject.member for subject in members if subject.member]
    )


def _seeds(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    members = {
        subject.id: (subject.member, subject.seed)
        for subject in subjects(config)
        if subject.id in plan.models and subject.member is not None and subject.seed is not None
    }
    sets = config.evaluation.pair
    return across_seeds.draw(across_seeds.changes(found.rates, members, SHOWN, sets), SHOWN)


def _selection(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    model, contrast = plan.models[0], main_contrast(config, plan.models[0])
    return selection_map.draw(found.tables.grid, model, contrast, found.place(model, contrast))


def _dose(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    screen = found.tables.rows("screen", model=plan.models[0])
    main = ~screen["family"].str.contains("@") & (screen["family"] != "base")
    return dose_response.draw(screen[main], plan.models[0])


def _tradeoff(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    if found.scores.empty:
        return note("no benchmark was asked for")
    return tradeoff.draw(found.rates, found.scores, plan.models[0], *config.evaluation.pair)


def _front(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    return pareto_front.draw(tried(found.tables, plan.models[0], foreign_of(config, plan.models[0])), costs(config.rosi))


def _categories(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    before, after = pair(found, plan)
    table = category_refusal.category_rates(
        found.tables.judgements,
        found.tables.completions,
        model=plan.models[0],
        prompts=config.evaluation.harmful,
        judge=config.judges[0],
        phase="test",
        before=before,
        after=after,
        confidence=config.statistics.confidence,
    )
    return category_refusal.draw(table, before, after, plan.family)


def _projections(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    model = plan.models[0]
    before, after = pair(found, plan)
    rows = found.tables.rows("projections", model=model, variant=after)
    pick = found.place(model, main_contrast(config, model))
    layer = pick[1] if pick else int(rows["layer"].median())
    return projection_histogram.draw(found.tables.projections, model, layer, before, after, plan.family)


def _shift(plan: FigurePlan, config: Config, found: Evidence) -> alt.TopLevelMixin:
    before, after = pair(found, plan)
    found.tables.rows("projections", model=plan.models[0], variant=after)
    wanted = config.statistics
    return layer_shift.draw(
        layer_shift.shifts(
            found.tables.projections,
            plan.models[0],
            before,
            after,
            confidence=wanted.confidence,
            seed=wanted.seed,
            resamples=wanted.bootstrap,
        )
    )


DRAWERS = {
    "headline": _headline,
    "across_seeds": _seeds,
    "benchmark_change": _benchmarks,
    "realignment": _realignment,
    "organism_bars": _bars,
    "selection_map": _selection,
    "dose_response": _dose,
    "tradeoff": _tradeoff,
    "pareto_front": _front,
    "category_refusal": _categories,
    "projection_histogram": _projections,
    "layer_shift": _shift,
}
"""How each kind of figure is drawn."""
