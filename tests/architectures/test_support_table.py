"""The table of supported models is what is measured: ``ANATOMY_WRITE_SUPPORT=1`` writes it anew."""

import os
from pathlib import Path

import pytest
from architecture_support import numbers_apart, support_table

from anatomy.serving.environment import installed_set

PAGE = Path(__file__).resolve().parents[2] / "workflow" / "anatomy" / "models" / "README.md"
BEGIN, END = "<!-- support:begin -->\n", "<!-- support:end -->"
POINTS = 2.0
"""Percentage points by which a gap may differ on another machine."""


@pytest.mark.engine
@pytest.mark.skipif(installed_set() != "cpu", reason="the table is of the CPU build")
def test_the_table_of_supported_models_is_what_is_measured():
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    assert rest and after, f"{PAGE} lacks {BEGIN.strip()} or {END}"
    table = f"\n{support_table()}\n"
    if os.environ.get("ANATOMY_WRITE_SUPPORT") == "1":
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")
        return
    assert not numbers_apart(written, table, POINTS), f"measured now (ANATOMY_WRITE_SUPPORT=1 writes it):\n{table}"


def test_a_table_that_says_something_else_is_seen():
    row = "| Gemma 2 | yes | 40 % apart |"
    assert not numbers_apart(row, "| Gemma 2 | yes | 41 % apart |", POINTS)
    assert numbers_apart(row, "| Gemma 2 | yes | 44 % apart |", POINTS)
    assert numbers_apart(row, "| Gemma 2 | no | 40 % apart |", POINTS)
    assert numbers_apart(row, "| Gemma 2 | yes | equal |", POINTS)
