"""Where a run's numbers come from."""

import json

import pytest

from anatomy.models.card import ModelCard, source_in_words
from anatomy.models.machine.surroundings import installed
from anatomy.recipes.configuration import Config
from anatomy.stages.export import base_of
from anatomy.stages.manifest import manifest, model_row, times
from anatomy.store.files import write_json
from anatomy.store.journal import record

CARD: ModelCard = {
    "id": "mine",
    "kind": "aligned",
    "folder": "models/mine",
    "digest": "ab" * 32,
    "dtype": "float32",
    "num_layers": 6,
    "d_model": 96,
    "threads": 1,
    "tied_embeddings": False,
    "source": None,
    "grown": None,
    "converted": None,
    "tuned": None,
    "notes": [],
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "grown here"),
        ({"folder": "models/mine", "hub": None, "revision": None}, "models/mine"),
        ({"folder": None, "hub": "org/name", "revision": "c" * 40}, "org/name@" + "c" * 12),
    ],
)
def test_a_model_is_named_by_where_it_came_from(source, expected):
    row = model_row({**CARD, "source": source})
    assert row["source"] == expected and row["digest"] == "ab" * 8


def test_a_dequantised_model_is_named_so_wherever_its_source_stands():
    converted = {"file": "mine.Q4_K_M.gguf", "sha256": "d" * 64, "in words": "dequantised from Q4_K, Q6_K"}
    card = {**CARD, "source": {"folder": None, "hub": None, "gguf": "models/mine.Q4_K_M.gguf"}, "converted": converted}
    assert model_row(card)["source"] == f"mine.Q4_K_M.gguf {'d' * 12}, dequantised from Q4_K, Q6_K"
    assert source_in_words(card) == "mine.Q4_K_M.gguf (dequantised from Q4_K, Q6_K)"
    assert "dequantised from Q4_K, Q6_K" in base_of(card)["converted"] and base_of(CARD)["converted"] is None


def test_how_a_model_is_spoken_to_is_said():
    notes = ["the system prompt is folded into the user's turn", "no date is pinned"]
    assert model_row({**CARD, "notes": notes})["prompts"] == "; ".join(notes)
    assert model_row(CARD)["prompts"] == ""


def test_times_of_jobs_too_short_to_be_measured(tmp_path):
    path = tmp_path / "extract" / "mine" / "extract.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("s\th:m:s\tmax_rss\n1.5\t0:00:01\t812.5\n0.1\t0:00:00\t-\n0.2\t0:00:00\tNA\n")
    rows = times(tmp_path, path)
    assert [row["seconds"] for row in rows] == [1.5, 0.1, 0.2]
    assert [row["peak MB"] for row in rows] == [812.5, None, None]
    assert rows[0]["job"] == "extract/mine/extract"


def test_a_package_that_is_not_there_is_said_so():
    assert installed("no-such-package-here") == "not installed"
    assert installed("pandas")[0].isdigit()


def test_the_manifest_counts_what_the_store_did_and_is_plain_json(tmp_path):
    config = Config(results=str(tmp_path))
    record(tmp_path / "store", "start", stage="measure", seconds=1.0)
    for rows in (3, 4):
        record(tmp_path / "store", "rows", stage="generate", cell="c", rows=rows)
    write_json(tmp_path / "models" / "mine.json", CARD)
    found = manifest(config, [tmp_path / "models" / "mine.json"], [])
    assert found["store"]["engine and model starts"] == 1 and found["store"]["rows computed"] == 7
    assert found["models"]["cards"][0]["model"] == "mine"
    assert set(found["configuration"]) == set(Config.model_fields)
    assert found["software"]["torch"][0].isdigit()
    json.dumps(found, allow_nan=False)


def test_a_run_that_computed_nothing_has_a_manifest(tmp_path):
    found = manifest(Config(results=str(tmp_path)), [], [])
    assert found["store"]["rows computed"] == 0 and found["times"]["jobs"] == []
