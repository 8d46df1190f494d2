"""The page: one HTML file that opens from disk, loads nothing, and shows claims first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from anatomy.errors import DataError
from anatomy.evidence.report.content import PageAnswer, PageCompletions, PageFigure, PageTable, Section
from anatomy.evidence.report.verdicts import claim_view
from anatomy.store.files import write_text

TEMPLATES = Path(__file__).resolve().parents[3] / "report"
RESERVED = ("top", "claims", "manifest")
VEGA_LITE = re.compile(r"/vega-lite/v(\d+\.\d+)")


def build_report(
    *,
    title: str,
    summary: str,
    ledger: pd.DataFrame | None,
    sections: Sequence[Section],
    manifest: Mapping[str, Any],
    out_path: Path,
) -> Path:
    """Write the page.

    Args:
        title: heading of the page.
        summary: one paragraph below it.
        ledger: from `claims.ledger.evaluate_ledger`; may be empty. None for a page that is not about claims.
        sections: figures, tables and completions, in the order in which they are shown.
        manifest: group to (key to value), where a value may be a list of flat mappings, shown as a table: revisions,
            hashes, versions, hardware, times.
        out_path: the HTML file.

    Raises:
        DataError: two sections or figures share an id or use one of the page's own; figures need different Vega-Lite versions.
        StoreError: the file cannot be written.
    """
    figures = [item for section in sections for item in section.items if isinstance(item, PageFigure)]
    ids = [*(section.id for section in sections), *(figure.anchor for figure in figures if figure.anchor)]
    if doubled := sorted({i for i in ids if ids.count(i) > 1 or i in RESERVED}):
        raise DataError(found=f"ids {doubled}", expected=f"ids used once and none of {RESERVED}", where="the report's sections")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": show_cell, "sortable": sort_value}
    environment.tests |= {
        "figure": lambda item: isinstance(item, PageFigure),
        "page_table": lambda item: isinstance(item, PageTable),
        "answered": lambda item: isinstance(item, PageAnswer),
        "completions": lambda item: isinstance(item, PageCompletions),
    }
    html = environment.get_template("page.html.j2").render(
        title=title,
        summary=summary,
        view=None if ledger is None else claim_view(ledger),
        sections=sections,
        manifest=manifest,
        numeric=numeric_columns,
        embed=embed_json,
        svg=Markup,
        style=Markup(_own("page.css")),
        script=Markup(_own("page.js")),
        bundle=Markup(_bundle(figures)) if figures else "",
    )
    write_text(Path(out_path), html)
    return Path(out_path)


def embed_json(value: Any) -> Markup:
    """JSON that is safe inside a script element: no character of it can end the element or open another."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=str)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def numeric_columns(frame: pd.DataFrame) -> list[bool]:
    """Which columns hold numbers."""
    return [pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]) for name in frame]


def show_cell(value: Any) -> str:
    """A value as a reader wants it: four significant digits, a dash for nothing."""
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def sort_value(value: Any) -> str:
    """A value as the sorting script wants it."""
    return "" if show_cell(value) == "–" else repr(float(value)) if isinstance(value, float) else str(value)


def _own(name: str) -> str:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if re.search(r"</(script|style)", text, re.IGNORECASE):
        raise DataError(found="a closing tag", expected="plain style and script", where=str(TEMPLATES / name))
    return text


def _bundle(figures: Sequence[PageFigure]) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, of the version that the figures were made for."""
    versions = sorted({found[1] for figure in figures if (found := VEGA_LITE.search(str(figure.spec.get("$schema", ""))))})
    if len(versions) != 1:
        raise DataError(
            found=f"Vega-Lite versions {versions}",
            expected="one version for all figures",
            where="the report's figures",
            remedy="draw the figures again with the pinned environment",
        )
    # its stub requires the snippet, which the function itself does not
    script = vl_convert.javascript_bundle(vl_version=versions[0])  # type: ignore[call-arg]
    return re.sub(r"</(script)", r"<\\/\1", script, flags=re.IGNORECASE)
