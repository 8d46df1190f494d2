"""The verdicts, figures, tables and section of superficial knowledge."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.rules import Resampling
from anatomy.evidence.claims.tables import NO_SEED, Tables, of_models, read_tables
from anatomy.evidence.figures.note import chart_or_note
from anatomy.evidence.report.content import Item, PageTable, Section, read_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.evidence.report.published import read_published
from anatomy.recipes.superficial import figures as drawn
from anatomy.recipes.superficial.claims import claims_of
from anatomy.recipes.superficial.gains import gains_table, published_shares
from anatomy.recipes.superficial.pairs import POOLED, Pair, pairs
from anatomy.recipes.superficial.recipe import RECIPE
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS
from anatomy.stages.paper_report import Files

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "torch": "imported with the names of tables; no model is opened",
    "transformers": "imported with the names of tables; no model is opened",
    "vllm": "imported with the names of tables; no engine is opened",
    "lm_eval": "imported for the name of a task's metric",
}
TABLES = ("judgements", "variants", "samples", "kl", "shifts", "facts")
PUBLISHED = (
    "The paper's outcomes, the share of the gain that follows from them, and ours in the task that comes nearest. The measures "
    "are not the same: the paper's HarmRate is a closed judge's, its truthfulness that of judges of generated answers."
)
TITLES = {
    "gains": ("What a head explains", "Mean outcomes, and the share of the aligned model's gain that the head brings."),
    "heads": (
        "Heads beside one another",
        "Divergence from the aligned model on its test answers, in nats a token, and agreement.",
    ),
    "kinds": (
        "Kinds of shift tokens",
        "Share of positions where the likeliest tokens differ, by the kind of word that is put there.",
    ),
}


def read_evidence(config: Config, files: Files) -> Tables:
    """Judgements, variants, benchmark samples, and what the diagnostics left."""
    return read_tables({name: files[name] for name in TABLES if files.get(name)})


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of every pair, seed by seed."""
    tables, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    seeds = {subject.id: subject.seed for subject in subjects(config)}
    parts = []
    for pair in aligned_pairs(config):
        seed = seeds[pair.aligned]
        own = of_models(tables, {pair.aligned, pair.base})
        parts.append(evaluate_ledger(claims_of(config, pair), own, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def aligned_pairs(config: Config) -> list[Pair]:
    """Pairs that claims are about."""
    return [pair for pair in pairs(config) if not pair.is_control]


def draw(plan: FigurePlan, config: Config, evidence: Tables) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    pair = next(pair for pair in pairs(config) if pair.aligned == plan.models[0])
    drawers = {
        "gains": lambda: drawn.gains(gains_table(config, [pair], evidence)),
        "kl_by_position": lambda: drawn.kl_by_position(evidence.rows("kl", model=pair.aligned), f"{pair.label}-{POOLED}"),
        "shift_tokens": lambda: drawn.shift_tokens(evidence.rows("shifts", model=pair.aligned)),
    }
    return chart_or_note(drawers[plan.kind], f"nothing measured of {pair.aligned}")


def tabulate(name: str, config: Config, evidence: Tables) -> pd.DataFrame:
    """One of its tables."""
    if name == "gains":
        return gains_table(config, aligned_pairs(config), evidence)
    if name == "heads":
        rows = evidence.rows("kl", texts=ALIGNED_ANSWERS)
        means = rows.groupby(["model", "head"]).agg(kl=("kl", "mean"), agreement=("agrees", "mean"), tokens=("kl", "size"))
        return means.reset_index().sort_values(["model", "kl"], ignore_index=True)
    counts = evidence.rows("shifts").groupby(["model", "head", "kind"]).size().rename("positions").reset_index()
    return counts.assign(share=counts["positions"] / counts.groupby(["model", "head"])["positions"].transform("sum"))


def title_of(table: str) -> str:
    """Caption of a table."""
    return TITLES[table][1]


def sections(config: Config, evidence: Tables, figures: Path) -> list[Section]:
    """One section."""
    items: list[Item] = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in RECIPE.plans(config)]
    items += [PageTable(title, caption, tabulate(name, config, evidence)) for name, (title, caption) in TITLES.items()]
    if config.superficial.published:
        table = published_shares(read_published(Path(config.superficial.published)), tabulate("gains", config, evidence))
        items.append(PageTable("The paper's numbers", PUBLISHED, table))
    return [
        Section("superficial", "Superficial knowledge", "What of alignment a residual on the base's output head carries.", items)
    ]
