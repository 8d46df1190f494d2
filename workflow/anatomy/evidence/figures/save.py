"""A chart on disk: SVG and PDF for people, CSV and the Vega-Lite specification for whoever wants to redraw it."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import pandas as pd
import vl_convert

from anatomy.errors import DataError
from anatomy.store.files import write_aside, write_json, write_text
from anatomy.store.json_objects import JsonObject

SUFFIXES = (".svg", ".pdf", ".csv", ".vl.json")


def save_figure(chart: alt.TopLevelMixin, folder: Path, name: str) -> list[Path]:
    """Write `name.svg`, `.pdf`, `.csv` (the chart's data) and `.vl.json` (specification with data). Needs no network.

    Returns:
        The four paths.

    Raises:
        DataError: the specification would load data from elsewhere, or the name is no plain file name.
    """
    if not name or any(sign in name for sign in "/\\") or name.startswith("."):
        raise DataError(found=f"{name!r}", expected="a plain file name without suffix", where=str(folder))
    spec = json.loads(chart.to_json())
    if remote := sorted(set(_remote_data(spec))):
        raise DataError(found=f"data at {remote}", expected="data inside the specification", where=f"figure {name}")
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg = vl_convert.vegalite_to_svg(spec, vl_version=version)
    pdf = vl_convert.svg_to_pdf(svg)
    paths = [Path(folder) / f"{name}{suffix}" for suffix in SUFFIXES]
    write_text(paths[0], svg)
    write_aside(paths[1], lambda aside: aside.write_bytes(pdf))
    write_text(paths[2], chart_data(spec).to_csv(index=False))
    write_json(paths[3], spec)
    return paths


def chart_data(spec: JsonObject) -> pd.DataFrame:
    """All rows inside a specification; a column `dataset` tells them apart where there are several."""
    frames = [pd.DataFrame(rows) for rows in spec.get("datasets", {}).values()]
    if len(frames) < 2:
        return frames[0] if frames else pd.DataFrame()
    return pd.concat([frame.assign(dataset=number) for number, frame in enumerate(frames)], ignore_index=True)


def _remote_data(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["data"]["url"]] if isinstance(node.get("data"), dict) and "url" in node["data"] else []
        return own + [url for value in node.values() for url in _remote_data(value)]
    return [url for value in node for url in _remote_data(value)] if isinstance(node, list) else []
