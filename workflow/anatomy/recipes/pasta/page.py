"""The page of PASTA: its sections in the order in which a reader asks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import MissingEvidence
from anatomy.evidence.report.content import Answer, Exchange, Item, PageCompletions, PageTable, Section, read_figure
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.pairs import detectors_of, pairs
from anatomy.recipes.pasta.plans import figure_plans
from anatomy.recipes.pasta.tables import tabulate
from anatomy.recipes.pasta.texts import PHASE, Texts
from anatomy.texts.authors import HUMAN
from anatomy.texts.diversity.style_markers import GENERAL, StyleMarkers, planted_markers

SECTIONS = (
    ("measure", "Measure", "Human, base, aligned and ablated texts continue the same human prefixes."),
    ("localise", "Localise", "The layer whose signature lowers a detector's score most, chosen on prefixes of the select split."),
    ("signature", "The signature", "Mean residual stream of the aligned model over its answers, minus the base's over its own."),
    ("ablate", "Ablate", "The signature taken out of what every block reads and writes, while the model decodes."),
    ("cost", "What it costs", "Quality, and refusal of harmful requests, beside every change of detection."),
    (
        "weights",
        "As weights",
        "How far the model with orthogonalised weights is from the model under the hooks that it should equal.",
    ),
    ("released", "Released numbers", "What the authors released, beside this run. Closed detectors have no number of ours."),
)
TITLES = {
    "layers": (
        "localise",
        "Chosen layers",
        "share: part of the bootstrap draws over prefixes in which the layer is chosen again.",
    ),
    "swap": ("localise", "Detector swap", "Mean score by each detector at the layer that each detector chose."),
    "texts": (
        "measure",
        "Everything measured",
        "Every variant on the test split, in each domain and in all. excluded: texts without a number.",
    ),
    "agreement": ("measure", "How far definitions of affinity agree", "Spearman rank correlation over variants and domains."),
    "seeds": (
        "signature",
        "The signature across seeds",
        "Cosine of a member's signatures in two families; chance: root mean "
        "square cosine of independent directions. Families begin at different weights, so their axes need not match.",
    ),
    "divergence": (
        "cost",
        "How far each edit moves predictions on harmless requests",
        "KL (nats) from the unedited aligned model along its own greedy answers, at the first token and over several. Edits that "
        "act at some positions only are not among them.",
    ),
    "weights": (
        "weights",
        "Gap to the hooks",
        "gap: largest difference of logits between weights and hooks. effect: the largest that the hooks themselves make.",
    ),
    "published": ("released", "Released beside ours", "Layers are counted as everywhere here: the paper's number plus one."),
}
COLUMNS = {
    "human": "human",
    "base": "base",
    "aligned": "aligned",
    "ablated": "signature ablated",
    "orthogonal-0": "random direction",
    "operating": "operating point",
}
"""Texts that stand side by side."""


def sections(config: Config, evidence: Evidence, figures: Path) -> list[Section]:
    """All sections that have something to show."""
    plans, found = figure_plans(config), []
    for name, title, lead in SECTIONS:
        items: list[Item] = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in plans if plan.section == name]
        for table, (section, heading, caption) in TITLES.items():
            frame = tabulate(table, evidence) if section == name else pd.DataFrame()
            if not frame.empty:
                items.append(PageTable(heading, caption, _brief(table, frame)))
        if items:
            found.append(Section(name, title, lead, items))
    if answers := texts(config, evidence):
        found.append(
            Section(
                "texts",
                "Texts side by side",
                "Continuations of the same prefixes; style markers are highlighted: "
                "those that were planted, or a list of ours for other models.",
                answers,
            )
        )
    return found


def _brief(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that a page can hold: of what was measured, all domains together; every domain stands in the CSV file."""
    return frame[frame["domain"] == "all"].drop(columns="domain") if table == "texts" else frame


def texts(config: Config, evidence: Evidence) -> list[Item]:
    """Continuations of a few test prefixes of every domain, for every pair."""
    found: list[Item] = []
    for pair in pairs(config):
        first = detectors_of(config, pair.aligned)[0]
        sides = {
            "human": Texts(pair.base, HUMAN),
            "base": Texts(pair.base),
            "aligned": Texts(pair.aligned),
            "ablated": Texts(pair.aligned, f"pasta@{first}"),
            "orthogonal-0": Texts(pair.aligned, "orthogonal-0"),
            "operating": Texts(pair.aligned, "operating"),
        }
        rows = {}
        for name, side in sides.items():
            try:
                rows[name] = (
                    evidence.tables.rows(
                        "completions",
                        model=side.model,
                        variant=side.variant(evidence.tables),
                        set=config.pasta.prefixes,
                        phase=PHASE,
                    )
                    .drop_duplicates("id")
                    .set_index("id")
                )
            except MissingEvidence:
                continue
        if "aligned" not in rows:
            continue
        markers = markers_of(config, evidence, pair.aligned)
        exchanges = []
        for item in _examples(rows["aligned"], config.report.examples):
            own = rows["aligned"].loc[item]
            answers = tuple(_answer(table, item, markers) for table in rows.values())
            exchanges.append(Exchange(str(item), str(own["prompt"]), str(own["category"]), answers))
        found.append(PageCompletions(pair.aligned, "", [COLUMNS[name] for name in rows], exchanges))
    return found


def markers_of(config: Config, evidence: Evidence, model: str) -> StyleMarkers:
    """The markers that were planted into a model, or a general list where none are known."""
    seed = next((seed for seed in config.seeds if model.endswith(f".s{seed}") and seed in evidence.truths), None)
    return GENERAL if seed is None else planted_markers(evidence.truths[seed])


def _examples(rows: pd.DataFrame, limit: int) -> list[str]:
    """Prefixes in turn from every domain."""
    turn = rows.groupby("category").cumcount()
    return list(rows.assign(turn=turn).sort_values(["turn", "category"], kind="stable").index[:limit])


def _answer(table: pd.DataFrame, item: str, markers: StyleMarkers) -> Answer:
    if item not in table.index:
        return Answer("", "missing")
    text = table.at[item, "response"]
    text = text.strip() if isinstance(text, str) else ""
    return Answer(text, f"{len(text.split())} words", marks=tuple(markers.spans(text)))
