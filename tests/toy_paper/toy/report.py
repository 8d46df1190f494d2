"""The toy paper's verdicts, its figure and its section."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.measures import Refusals, paired_change
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables, VariantSelector, of_models, read_tables
from anatomy.evidence.figures import headline
from anatomy.evidence.figures.rates import refusal_rates
from anatomy.evidence.report.content import PageTable, Section, read_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.toy.recipe import RECIPE, pruned
from anatomy.stages.paper_report import Files

PINS: tuple[str, ...] = ("scipy",)
PRUNED = VariantSelector("measure", "pruned")


def read_evidence(config: Config, files: Files) -> Tables:
    """Judgements and variants."""
    return read_tables(files)


def claims_of(config: Config, model: str) -> list[Claim]:
    """Refusal of harmful requests falls; of benign ones it does not change."""
    harmful, benign = (Refusals(name, config.judges[0], "test") for name in config.evaluation.pair)
    falls = Test("difference_below", paired_change(harmful, model, PRUNED), {"threshold": 0}, "paired change of refusal")
    stays = Test(
        "difference_within",
        paired_change(benign, model, PRUNED),
        {"margin": config.toy.margin, "side": "both"},
        "paired change on benign requests",
    )
    return [
        Claim("toy.falls", "toy", "Pruning lowers the refusal of harmful requests.", "tests", "toy", model, (falls,)),
        Claim("toy.stays", "toy", "Pruning leaves benign requests answered.", "tests", "toy", model, (stays,)),
    ]


def judge(config: Config, files: Files) -> pd.DataFrame:
    """Both claims, seed by seed."""
    tables, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    known = {subject.id: subject for subject in subjects(config)}
    return pd.concat(
        [
            evaluate_ledger(
                claims_of(config, one.id), of_models(tables, {one.id}), seed=known[one.id].seed or 0, resampling=resampling
            )
            for one in pruned(config)
        ],
        ignore_index=True,
    )


def rates(config: Config, tables: Tables) -> pd.DataFrame:
    """Refusal with intervals."""
    wanted = config.statistics
    return refusal_rates(
        tables.judgements,
        tables.variants,
        judge=config.judges[0],
        phase="test",
        confidence=wanted.confidence,
        seed=wanted.seed,
        resamples=wanted.bootstrap,
    )


def draw(plan: FigurePlan, config: Config, evidence: Tables) -> alt.TopLevelMixin:
    """Refusal before and after."""
    return headline.draw(rates(config, evidence), plan.models, config.evaluation.pair, ["measure"])


def tabulate(name: str, config: Config, evidence: Tables) -> pd.DataFrame:
    """The rates behind the figure."""
    return rates(config, evidence)


def title_of(table: str) -> str:
    """Caption of a table."""
    return "Refusal, pruned"


def sections(config: Config, evidence: Tables, figures: Path) -> list[Section]:
    """One section."""
    items = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in RECIPE.plans(config)]
    table = PageTable("Rates", "Share of requests that were refused.", tabulate("rates", config, evidence))
    return [Section("pruned", "Pruned", "Refusal with the weights gone that write along the direction.", [*items, table])]
