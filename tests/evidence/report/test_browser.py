"""The page in a real browser, from disk, with the network refused."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(params=[(1400, 900), (420, 900)], ids=["wide", "narrow"])
def opened(browser, page: Path, request):
    context = browser.new_context(viewport=dict(zip(("width", "height"), request.param, strict=True)), offline=True)
    view = context.new_page()
    view.troubles, view.asked = [], []
    view.on("console", lambda message: view.troubles.append(message.text) if message.type == "error" else None)
    view.on("pageerror", lambda error: view.troubles.append(str(error)))
    view.on("request", lambda request: view.asked.append(request.url))
    view.goto(page.as_uri())
    view.wait_for_function("document.querySelectorAll('.vega:not([data-drawn])').length === 0", timeout=30_000)
    yield view
    context.close()


def test_it_draws_every_figure_without_errors_or_requests(opened):
    assert opened.locator(".vega svg.marks").count() == 5
    assert opened.troubles == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.asked), opened.asked


def test_nothing_sticks_out_sideways(opened):
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_claims_can_be_filtered(opened):
    every = opened.locator(".claim").count()
    opened.locator('.chip[data-value="not-supported"]').click()
    shown = opened.locator(".claim:visible")
    assert 0 < shown.count() < every
    assert set(shown.evaluate_all("rows => rows.map(row => row.dataset.verdict)")) == {"not-supported"}
    opened.select_option("#filter-subject", "base")
    assert set(shown.evaluate_all("rows => rows.map(row => row.dataset.subject)")) == {"base"}
    opened.locator('.chip[data-value="not-supported"]').click()
    opened.select_option("#filter-subject", "")
    opened.fill("#filter-text", "separated along the direction")
    assert shown.count() == 3 and "3 of" in opened.inner_text("#claims-shown")


def test_a_mark_in_the_matrix_opens_its_claim(opened):
    opened.locator(".matrix .mark").first.click()
    opened.wait_for_function("document.querySelector('#claim-0').open")


def test_tables_sort_and_filter(opened):
    table = opened.locator("#table-tables-1")
    head = table.locator("thead th", has_text="rate").locator("button")

    def rates():
        return table.locator("tbody tr:visible td:nth-child(4)").evaluate_all("c => c.map(x => parseFloat(x.dataset.sort))")

    head.click()
    assert rates() == sorted(rates())
    head.click()
    assert rates() == sorted(rates(), reverse=True) and len(rates()) > 10
    opened.fill('input[data-table="table-tables-1"]', "placebo")
    assert 0 < len(rates()) < table.locator("tbody tr").count()


def test_dark_and_light(opened):
    paper = "getComputedStyle(document.body).backgroundColor"
    before = opened.evaluate(paper)
    opened.locator("#theme").click()
    assert opened.evaluate(paper) != before
    opened.wait_for_timeout(500)
    assert opened.locator(".vega svg.marks").count() == 5 and opened.troubles == []
