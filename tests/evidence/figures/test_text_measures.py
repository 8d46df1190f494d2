"""Bars of who wrote what: every variant asked for is drawn, in every panel, and nothing else."""

import pandas as pd
import pytest

from anatomy.evidence.figures.save import chart_data, save_figure
from anatomy.evidence.figures.text_measures import draw

WRITERS = {
    "human": "human",
    "base~1": "base",
    "aligned~1": "aligned",
    "ablated~1": "ablated",
    "random-1": "control",
    "random-2": "control",
}


@pytest.fixture
def summary():
    rows = [
        {
            "model": "m",
            "variant": variant,
            "category": category,
            "measure": measure,
            "estimate": k / 10,
            "low": k / 10 - 0.05,
            "high": k / 10 + 0.05,
            "n": 20,
        }
        for k, variant in enumerate([*WRITERS, "other"])
        for category in ("all", "news", "essays")
        for measure in ("binoculars", "ngrams", "mauve")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("by_domain", [False, True])
def test_every_writer_and_panel_is_drawn_once_a_domain(summary, tmp_path, by_domain):
    chart = draw(summary, WRITERS, ["binoculars", "ngrams"], {"ngrams": "n-gram classifier"}, by_domain)
    paths = save_figure(chart, tmp_path, "detection")
    assert all(path.stat().st_size for path in paths)
    data = chart_data(chart.to_dict())
    assert set(data["panel"]) == {"binoculars", "n-gram classifier"} and set(data["variant"]) == set(WRITERS)
    assert set(data["domain"]) == ({"news", "essays"} if by_domain else {"all"})
    assert not data.duplicated(["variant", "panel", "domain"]).any()
    assert "nan" not in paths[0].read_text().lower()


def test_a_measure_without_an_estimate_leaves_no_dot(summary):
    summary.loc[summary["variant"] == "base~1", "estimate"] = float("nan")
    data = chart_data(draw(summary, WRITERS, ["mauve"]).to_dict())
    assert "base~1" not in set(data["variant"]) and len(data) == len(WRITERS) - 1
