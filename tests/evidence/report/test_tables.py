"""Tables for print."""

import pandas as pd
import pytest

from anatomy.evidence.report.tables import BASE, Arm, Measure, save_table, tidy_table, wide_table

RATES = pd.DataFrame(
    [
        ("m_1", "base", "harmful", 0.5, 0.4, 0.6, 100, 50, "base", ""),
        ("m_1", "v", "harmful", 0.75, 0.66, 0.82, 100, 50, "method", "row_mean"),
        ("m_2", "base", "harmful", 0.1, 0.05, 0.2, 90, 45, "base", ""),
    ],
    columns=["model", "variant", "set", "rate", "low", "high", "n", "clusters", "role", "family"],
)
ARMS = [BASE, Arm("ROSI", "method", "row_mean")]


def test_values_and_complements():
    table = tidy_table(RATES, ["m_1"], [Measure("HR", "harmful"), Measure("ASR", "harmful", complement=True)], ARMS)
    found = table.set_index(["measure", "arm"])[["value", "low", "high"]]
    assert found.loc["HR", "ROSI"].tolist() == [0.75, 0.66, 0.82]
    assert found.loc["ASR", "ROSI"].tolist() == pytest.approx([0.25, 0.18, 0.34])


def test_what_was_not_measured_is_a_dash():
    wide = wide_table(tidy_table(RATES, ["m_1", "m_2"], [Measure("HR", "harmful")], ARMS))
    assert wide["HR, ROSI"].tolist() == ["75.0 [66.0, 82.0]", "–"]
    assert wide["HR, n"].tolist() == ["100", "90"]


def test_nothing_at_all_still_saves(tmp_path):
    empty = tidy_table(RATES, ["nobody"], [Measure("HR", "harmful")], ARMS)
    for path in save_table(empty, tmp_path, "empty", "Nothing."):
        assert path.stat().st_size > 0


def test_latex_is_booktabs_and_escaped_and_csv_is_exact(tmp_path):
    table = tidy_table(RATES, ["m_1"], [Measure("HR & co", "harmful")], ARMS)
    csv, tex = save_table(table, tmp_path, "t", "50% of m_1")
    text = tex.read_text()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"m\_1" in text and r"HR \& co" in text and r"50\% of m\_1" in text
    assert pd.read_csv(csv)["value"].tolist() == [0.5, 0.75]
