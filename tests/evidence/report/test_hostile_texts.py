"""Prompts, answers and tables that try to be markup: shown as text, in the file and in a real browser."""

import pandas as pd
import pytest

from anatomy.evidence.report.content import Answer, Exchange, PageCompletions, PageTable, Section
from anatomy.evidence.report.page import build_report

HOSTILE = (
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    "</td></table><svg onload=window.broken=3>",
    '"><b onmouseover=window.broken=4>',
    "{{ 7 * 7 }}",
    "&lt;script&gt;",
    "javascript:window.broken=5",
)


@pytest.fixture(scope="module")
def hostile_page(ledger, tmp_path_factory):
    exchanges = [Exchange(f"id-{text}", text, "harmful", (Answer(text, text), Answer(text[::-1], "none"))) for text in HOSTILE]
    answers = PageCompletions(HOSTILE[2], HOSTILE[3], ["a", HOSTILE[0]], exchanges)
    table = PageTable(HOSTILE[1], HOSTILE[0], pd.DataFrame({"text": HOSTILE, HOSTILE[0]: HOSTILE}))
    sections = [Section("answers", HOSTILE[0], HOSTILE[1], [answers]), Section("tables", "Tables", "", [table])]
    return build_report(
        title=HOSTILE[0],
        summary=HOSTILE[1],
        ledger=ledger,
        sections=sections,
        manifest={"g": {HOSTILE[0]: HOSTILE[1]}},
        out_path=tmp_path_factory.mktemp("hostile") / "report.html",
    )


def test_nothing_hostile_stands_as_markup_in_the_file(hostile_page):
    text = hostile_page.read_text()
    for broken in ("<script>window", "<img src=x", "<svg onload", "<b onmouseover"):
        assert broken not in text
    assert "{{ 7 * 7 }}" in text and "49" not in text.split("{{ 7 * 7 }}")[0][-3:]


@pytest.mark.browser
def test_nothing_hostile_runs_in_a_browser(browser, hostile_page):
    context = browser.new_context(offline=True)
    view = context.new_page()
    view.goto(hostile_page.as_uri())
    view.wait_for_load_state("load")
    for element in view.locator("details, summary").all()[:20]:
        element.evaluate("one => { one.open = true; one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})) }")
    view.wait_for_timeout(300)
    assert view.evaluate("window.broken === undefined")
    assert view.evaluate("document.querySelectorAll('script').length") <= 4
    assert view.locator("body").inner_text().count("<script>window.broken = 1</script>") >= 2
    context.close()
