"""A cell of a chart that leads to another figure of the page, in a real browser."""

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.evidence.claims.ledger import COLUMNS
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.report.content import PageTable, Section, read_figure
from anatomy.evidence.report.page import build_report
from anatomy.recipes.mechanisms import figures


def page_with(folder, anchors):
    """An atlas of two instruments, tables that fill a screen, and a figure of each anchor."""
    table = pd.DataFrame(
        [("m", name, layer, 0.5, 0.4, 0.6, 9, layer / 2, layer == 2) for name in ("probe", "direct") for layer in range(3)],
        columns=["model", "instrument", "layer", "value", "low", "high", "n", "share", "top"],
    )
    save_figure(figures.atlas(table), folder, "atlas.m")
    shown = [read_figure(folder, "atlas.m", "Atlas", "", figures.anchor_of("atlas", "m"))]
    shown += [PageTable(f"Rows {n}", "", pd.DataFrame({"a": range(40)})) for n in range(2)]
    shown += [read_figure(folder, "atlas.m", anchor, "", anchor) for anchor in anchors]
    empty, section = pd.DataFrame(columns=list(COLUMNS)), Section("one", "One", "", shown)
    return build_report(title="t", summary="", ledger=empty, sections=[section], manifest={}, out_path=folder / "r.html")


@pytest.mark.browser
def test_a_cell_of_the_atlas_leads_to_the_figure_of_its_instrument(browser, tmp_path):
    wanted = [figures.anchor_of(kind, "m") for kind in ("probes", "direct")]
    context = browser.new_context(viewport={"width": 1200, "height": 700}, offline=True)
    view = context.new_page()
    view.goto(page_with(tmp_path, wanted).as_uri())
    view.wait_for_function("document.querySelectorAll('.vega:not([data-drawn])').length === 0", timeout=30_000)
    cells = view.locator(f"[id='{figures.anchor_of('atlas', 'm')}'] svg.marks path[aria-roledescription='rect mark']")
    for anchor, instrument in zip(wanted, ("probe", "direct"), strict=True):
        cells.and_(view.locator(f"[aria-label*='{figures.INSTRUMENTS[instrument]}']")).first.click()
        view.wait_for_function("anchor => location.hash === '#' + anchor", arg=anchor)
        view.wait_for_function(
            "anchor => Math.abs(document.getElementById(anchor).getBoundingClientRect().top) < innerHeight", arg=anchor
        )
        assert len(context.pages) == 1
        view.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    context.close()


def test_two_figures_of_one_anchor_are_refused(tmp_path):
    with pytest.raises(DataError, match="ids"):
        page_with(tmp_path, ["mechanisms-probes.m", "mechanisms-probes.m"])
