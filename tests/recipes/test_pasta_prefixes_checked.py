"""Human prefixes that PASTA cannot use are refused as soon as they are read, before any model is opened."""

import json

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.recipes.pasta.stages.checked_prefixes import check
from anatomy.stages.prompt_set import prepare

LONG = "there was a mill by the river, and nobody had been inside for years."
ROWS = [
    {"id": f"{domain}-{n}", "prefix": f"Once upon {n} {domain}", "continuation": LONG, "domain": domain}
    for domain in ("fiction", "news")
    for n in range(3)
]


def made(tmp_path, rows):
    (tmp_path / "human.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {
        "file": str(tmp_path / "human.jsonl"),
        "columns": {"prefix": "prompt", "continuation": "response", "domain": "category"},
        "label": "human",
        "minimum": 1,
    }
    prepare("prefixes", source, tmp_path / "table.parquet", print, phases=["fit"], checks=[check])
    return pd.read_parquet(tmp_path / "table.parquet")


def test_prefixes_of_known_domains_pass(tmp_path):
    assert set(made(tmp_path, ROWS)["category"]) == {"fiction", "news"}


@pytest.mark.parametrize(
    ("change", "said"),
    [({"domain": "speeches"}, r"'speeches' \(1\)"), ({"domain": None}, "other domains"), ({"continuation": " "}, "continuation")],
    ids=["a domain without a wording", "no domain", "no continuation"],
)
def test_a_row_that_no_model_could_be_asked_about_is_named(tmp_path, change, said):
    with pytest.raises(DataError, match=said) as refused:
        made(
            tmp_path,
            [*ROWS, {"id": "last-0", "prefix": "My friends", "continuation": "let us begin.", "domain": "news"} | change],
        )
    assert "last-0" in str(refused.value) and "human.jsonl" in str(refused.value)


def test_continuations_too_short_to_be_measured_are_told_before_a_model_is_opened(tmp_path):
    rows = [{**row, "continuation": "a mill." if n else LONG} for n, row in enumerate(ROWS)]
    with pytest.raises(DataError, match=rf"1 of {len(rows)} continuations .* short \({len(rows) - 1}\)"):
        made(tmp_path, rows)
    rows[1]["continuation"] = LONG
    assert len(made(tmp_path, rows)) == len(rows), "what is short is left out later, as long as enough is left"
