"""The page as text: whole, escaped, and loading nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.evidence.claims.ledger import COLUMNS
from anatomy.evidence.report.content import PageTable, Section, read_figure
from anatomy.evidence.report.page import build_report, embed_json, show_cell, sort_value

VOID = {"meta", "input", "br", "link", "img", "hr", "line", "rect", "path", "use", "circle"}


class Outline(HTMLParser):
    """Elements with their attributes, and whether they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict]] = []
        self.broken: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)


@pytest.fixture(scope="module")
def outline(page) -> Outline:
    parser = Outline()
    parser.feed(page.read_text())
    return parser


def test_elements_nest_and_ids_are_unique(outline):
    assert not outline.broken and not outline.open
    # the still pictures for readers without scripts may repeat ids of one another
    ids = [attrs["id"] for tag, attrs in outline.found if "id" in attrs and tag not in ("clipPath", "clippath", "g")]
    assert sorted(set(ids)) == sorted(ids)


def test_nothing_is_loaded_from_elsewhere(outline):
    for tag, attrs in outline.found:
        for name in ("src", "href", "xlink:href", "action", "data"):
            link = attrs.get(name)
            assert link is None or link.startswith("#"), (tag, name, link)
        assert "@import" not in (attrs.get("style") or "") and "url(http" not in (attrs.get("style") or "")
    policy = next(attrs["content"] for tag, attrs in outline.found if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy and "connect-src 'none'" in policy


def test_one_copy_of_the_chart_library_and_one_specification_a_figure(page, outline):
    text = page.read_text()
    assert text.count("window.vegaEmbed=") == 1
    assert sum(attrs.get("type") == "application/json" for _, attrs in outline.found) == 5
    assert text.count("<noscript>") == 5


def test_texts_are_escaped(page):
    text = page.read_text()
    assert "Anatomy of &lt;alignment&gt;" in text and "Anatomy of <alignment>" not in text
    assert "take &lt;b&gt;" in text and "take <b>" not in text
    assert "with &lt;tags&gt; &amp; signs" in text


def test_every_claim_is_there_with_its_verdict(page, ledger):
    text = page.read_text()
    shown = re.findall(r'<details class="claim" id="claim-\d+" data-verdict="([a-z-]+)"', text)
    assert shown == [verdict.replace(" ", "-") for verdict in ledger["verdict"]]
    assert len(set(shown)) == 4
    assert text.index('id="claims"') < text.index('id="figures"') < text.index('id="manifest"')


def test_a_page_without_anything_still_opens(tmp_path):
    empty = pd.DataFrame(columns=list(COLUMNS))
    section = Section("tables", "Tables", "", [PageTable("Nothing", "", pd.DataFrame(columns=["a"]))])
    path = build_report(title="t", summary="", ledger=empty, sections=[section], manifest={}, out_path=tmp_path / "r.html")
    text = path.read_text()
    assert "tested no claims" in text and "No rows in this run" in text and "vegaEmbed=" not in text


def test_section_ids_are_checked(tmp_path, ledger):
    for ids in (["a", "a"], ["claims"]):
        with pytest.raises(DataError, match="ids"):
            build_report(
                title="t",
                summary="",
                ledger=ledger,
                sections=[Section(i, "x", "") for i in ids],
                manifest={},
                out_path=tmp_path / "r.html",
            )


def test_figures_of_two_library_versions_are_refused(tmp_path, ledger, sections):
    old = replace(sections[0].items[0], spec={"$schema": "https://vega.github.io/schema/vega-lite/v5.8.0.json"})
    mixed = [replace(sections[0], items=[*sections[0].items, old])]
    with pytest.raises(DataError, match=r"'5\.8'"):
        build_report(title="t", summary="", ledger=ledger, sections=mixed, manifest={}, out_path=tmp_path / "r.html")


def test_a_missing_figure_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no gone\.svg and no gone\.vl\.json"):
        read_figure(tmp_path, "gone", "t", "c")


def test_json_cannot_end_its_element():
    assert "<" not in embed_json({"x": "</script><script>alert(1)</script>"})


@pytest.mark.parametrize(
    ("value", "shown", "sorts"),
    [(0.123456, "0.1235", "0.123456"), (float("nan"), "–", ""), (None, "–", ""), (7, "7", "7"), ("a", "a", "a")],
)
def test_cells(value, shown, sorts):
    assert (show_cell(value), sort_value(value)) == (shown, sorts)


def test_papers_that_share_a_page_are_headed_and_listed(tmp_path):
    """Each paper's first section carries its name and summary; the contents name it too."""
    sections = [
        Section("one-effect", "What changes", "", [], part="First paper", summary="What the first is about."),
        Section("one-cost", "What it costs", "", []),
        Section("two-effect", "What changes", "", [], part="Second paper", summary="What the second is about."),
    ]
    out = build_report(
        title="Both",
        summary="",
        ledger=pd.DataFrame(columns=COLUMNS),
        sections=sections,
        manifest={},
        out_path=tmp_path / "p.html",
    )
    text = out.read_text(encoding="utf-8")
    for name in ("First paper", "Second paper"):
        assert text.count(f"<h1>{name}</h1>") == 1 and text.count(f'<b class="part">{name}</b>') == 1
    assert text.index("<h1>First paper</h1>") < text.index('id="one-effect"') < text.index("<h1>Second paper</h1>")
