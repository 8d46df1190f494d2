"""How each figure of PASTA is drawn from the tables of a run."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures import (
    detection_tradeoff,
    detector_swap,
    layer_cosines,
    layer_curves,
    operating_points,
    pareto_front,
    signature_dose,
    signature_geometry,
    signature_writers,
    text_measures,
)
from anatomy.evidence.figures.note import chart_or_note
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.pasta.edits import SEARCHED
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.localise import EVERY
from anatomy.recipes.pasta.pairs import detectors_of
from anatomy.recipes.pasta.tried import costs, tried
from anatomy.texts.authors import HUMAN

ALL = "all"
DOSED = ("detector", "safety", "quality", "style")
OPENED = "opened"
COSTS = ("accuracy", "over_refusal", "refusal")
"""Costs of an operating point that its figure shows."""


def draw(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    return chart_or_note(lambda: DRAWERS[plan.kind](plan, config, evidence), f"nothing measured of {plan.models[0]}")


def written(tables: Tables, plan: FigurePlan, detector: str) -> pd.DataFrame:
    """Everything measured of a pair's texts, with `writer` (human, base, aligned, ablated or control) and `main` beside it.

    `ablated` are texts under every dose and form of the ablation. `main` marks those that are compared first: of these the
    ablation at the layer that the detector chose, with the controls of the same edit, and all that humans and unedited models
    wrote.

    Raises:
        MissingEvidence: nothing was measured.
    """
    aligned, base = plan.models
    own = tables.rows("measures", pair=aligned, model=aligned).assign(writer="ablated")
    other = tables.rows("measures", pair=aligned, model=base)
    own.loc[own["role"] == "base", "writer"] = "aligned"
    own.loc[own["role"] == "control", "writer"] = "control"
    other = other[other["slug"].isin(["base", HUMAN])]
    other = other.assign(writer=other["slug"])
    both = pd.concat([own, other], ignore_index=True)
    slug = both["slug"]
    main = ((both["writer"] != "ablated") & (both["family"] != "operating")) | (slug == f"pasta@{detector}")
    # The base's unedited texts and the aligned model's are both variant "base".
    return both.assign(slug=slug.where(slug != "base", both["writer"]), main=main & (both["family"] != "template"))


def measures_of(table: pd.DataFrame, kind: str) -> list[str]:
    """Measures of a kind in their order; of detectors the one that all have: the probability that a machine wrote the text."""
    names = list(dict.fromkeys(table.loc[table["kind"] == kind, "measure"]))
    return [name for name in names if not name.endswith(("_flagged", "_score"))] if kind == "detector" else names


def _texts(plan: FigurePlan, config: Config, evidence: Evidence, by_domain: bool = False) -> alt.TopLevelMixin:
    table = written(evidence.tables, plan, detectors_of(config, plan.models[0])[0])
    table = table[table["main"]]
    wanted = measures_of(table, plan.family)
    table = table.assign(variant=table["slug"], category=table["domain"], estimate=table["value"])
    shown = table[table["measure"].isin(wanted)]
    if shown.empty:
        raise MissingEvidence(
            found=f"no measure of kind {plan.family}", expected="at least one", where=f"texts of {plan.models[0]}"
        )
    return text_measures.draw(shown, shown.set_index("variant")["writer"].to_dict(), wanted, by_domain=by_domain)


def _domains(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    return _texts(plan, config, evidence, by_domain=True)


def _curves(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    model, tables = plan.models[0], evidence.tables
    rows = tables.rows("curves", model=model, family="sweep", category=EVERY)
    swap = tables.rows("swap", model=model)
    unedited, chosen = swap.groupby("detector")["unedited"].first(), swap.groupby("selector")["layer"].first()
    return layer_curves.draw(rows, unedited.to_dict(), {name: int(layer) for name, layer in chosen.items()})


def _swap(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    return detector_swap.draw(evidence.tables.rows("swap", model=plan.models[0]))


def _geometry(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    return signature_geometry.draw(evidence.tables.rows("geometry", model=plan.models[0]))


def _cosines(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    return layer_cosines.draw(evidence.tables.rows("geometry", model=plan.models[0]))


def _writers(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    model = plan.models[0]
    if model not in evidence.selected:
        raise MissingEvidence(found="no layer", expected="the layer of a pick", where=model)
    layer = evidence.selected[model]["layer"]
    return signature_writers.draw(evidence.tables.rows("writers", model=model, direction_layer=layer), layer)


def _dose(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    tables, model = evidence.tables, plan.models[0]
    scale = tables.rows("variants", model=model, family="dose").drop_duplicates("variant").set_index("variant")["strength"]
    own = tables.rows("measures", pair=model, model=model, family="dose", domain=ALL)
    wanted = [name for kind in DOSED for name in measures_of(own, kind) if kind != "style" or name == OPENED]
    doses = own[own["measure"].isin(wanted)].assign(scale=own["variant"].map(scale))
    order = {name: place for place, name in enumerate(wanted)}
    return signature_dose.draw(doses.sort_values("measure", key=lambda names: names.map(order), kind="stable"))


def _tradeoff(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    detector = detectors_of(config, plan.models[0])[0]
    table = written(evidence.tables, plan, detector)
    table = table[table["domain"] == ALL]
    detection = table[(table["kind"] == "detector") & (table["measure"] == detector)].set_index("slug")["value"]
    rows = table[table["kind"].isin(["quality", "safety"])]
    if rows.empty or detection.empty:
        raise MissingEvidence(
            found="no measure of quality" if rows.empty else f"no score by {detector}",
            expected="both",
            where=f"texts of {plan.models[0]}",
        )
    points = rows.assign(variant=rows["slug"], quality=rows["value"], detection=rows["slug"].map(detection))
    return detection_tradeoff.draw(points.dropna(subset=["quality", "detection"]), detector)


def _operating(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    rows = evidence.tables.rows("operating", model=plan.models[0])
    first, limits = rows.iloc[0], config.pasta.limits
    unedited = {style: first[f"unedited_{style}"] for style in ("markers", "opener") if pd.notna(first[f"unedited_{style}"])}
    names = {found: name.replace("_", " ") for name, found in SEARCHED.items()}
    directions = [names.get(found, found[0]) for found in zip(rows["direction"], rows["direction_position"], strict=True)]
    rows = rows.assign(edit=rows["form"] + ": " + pd.Series(directions, index=rows.index))
    return operating_points.draw(rows, {f"{name}_loss": getattr(limits, name) for name in COSTS}, unedited)


def _front(plan: FigurePlan, config: Config, evidence: Evidence) -> alt.TopLevelMixin:
    model, detector = plan.models[0], detectors_of(config, plan.models[0])[0]
    return pareto_front.draw(tried(evidence.tables, model, detector), costs(config.pasta.limits, detector))


DRAWERS = {
    "text_measures": _texts,
    "text_domains": _domains,
    "layer_curves": _curves,
    "detector_swap": _swap,
    "signature_geometry": _geometry,
    "layer_cosines": _cosines,
    "signature_writers": _writers,
    "signature_dose": _dose,
    "detection_tradeoff": _tradeoff,
    "operating_points": _operating,
    "detection_front": _front,
}
"""How each kind of figure is drawn."""
