"""A paper's numbers stand beside ours, and broken files are refused."""

from pathlib import Path

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.evidence.report.published import published_cells, read_published
from anatomy.evidence.report.tables import BASE, Arm, Measure, tidy_table, wide_table

# PASTA released layers and scores, which have a form of their own (tests/recipes/test_pasta_page.py).
PAPERS = [
    path
    for path in sorted((Path(__file__).resolve().parents[3] / "config" / "paper").glob("*.published.csv"))
    if not path.name.startswith("pasta.")
]
RATES = pd.DataFrame(
    [
        ("m", "base", "asked", 0.8, 0.7, 0.9, 100, 50, "base", ""),
        ("m", "v", "asked", 0.95, 0.9, 0.99, 100, 50, "method", "row_mean"),
    ],
    columns=["model", "variant", "set", "rate", "low", "high", "n", "clusters", "role", "family"],
)


def write(path, *rows):
    path.write_text("table,model,source,arm,value\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_the_papers_number_stands_beside_ours_as_it_was_printed(tmp_path):
    published = read_published(write(tmp_path / "p.csv", "1,m,asked,base,79.5", "1,m,asked,row_mean,92.7", "2,m,asked,base,1"))
    cells = published_cells(published, "1")
    # complements are ours only: a paper's share of answered requests is printed as it is
    table = tidy_table(
        RATES,
        ["m"],
        [Measure("asked", "asked"), Measure("answered", "asked", complement=True)],
        [BASE, Arm("ROSI", "method", "row_mean")],
        cells,
    )
    assert set(table["published"]) == {0.795, 0.927}
    wide = wide_table(table)
    assert wide["asked, unedited"].item() == "80.0 [70.0, 90.0] (paper 79.5)"
    assert wide["answered, ROSI"].item() == "5.0 [1.0, 10.0] (paper 92.7)"


@pytest.mark.parametrize(
    ("rows", "message"), [(["1,m,asked,base,many"], "many"), (["1,m,asked,base,1", "1,m,asked,base,2"], "twice")]
)
def test_broken_numbers_are_refused_with_their_row(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_published(write(tmp_path / "p.csv", *rows))


def test_a_missing_file_says_which_option_names_it(tmp_path):
    with pytest.raises(DataError, match="option `published`"):
        read_published(tmp_path / "none.csv")


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.name)
def test_papers_numbers_are_readable(path):
    table = read_published(path)
    assert len(table) > 50 and table["value"].notna().all()
