"""Interventions in memory: nothing selected means nothing asked, and no text of an own model's weakening is kept."""

import json

import pandas as pd
import pytest
import torch
from small_study import make_config, make_subject
from tiny_model import stands_open

from anatomy.config.study import Layout
from anatomy.errors import ConfigError
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.rosi.stages import measure as stage
from anatomy.recipes.rosi.stages.measure import in_memory_phase, measure
from anatomy.stages import in_engine
from anatomy.stages.answers import COLUMNS
from anatomy.stages.in_engine import hooks_backend
from anatomy.stages.phase import VARIANT_COLUMNS
from anatomy.store.journal import count

SUBJECT = make_subject(headline=False)
EMPTY = {"plain": {"outcome": "empty grid", "position": None, "layer": None}}
PICKED = {"plain": {"outcome": "picked", "position": -1, "layer": 2}}
PICK = {
    "method": "row_mean",
    "direction": {"contrast": "plain", "position": -1, "layer": 1, "control": None},
    "strength": 5.0,
    "sign": 1,
}
PICKS = {"row_mean": PICK, "row_mean_signed": {**PICK, "sign": -1}, "projection": None}


def measuring(folder, card, extraction, tiny, monkeypatch):
    """The stage on prompts in a folder, with a model that is already in memory."""
    stands_open(monkeypatch, tiny)
    config = make_config(folder, evaluation={"max_new_tokens": 3, "test_prompts": 3})
    return lambda selected: measure(config, SUBJECT, card, extraction, selected, PICKS, lambda text: None)


@pytest.fixture(scope="module")
def nothing_selected(results, card, extraction, tiny):
    """What the stage returns where the selection ended with an empty grid."""
    with pytest.MonkeyPatch.context() as patched:
        return measuring(results, card, extraction, tiny, patched)(EMPTY)


@pytest.fixture
def run(fresh_results, card, extraction, tiny, monkeypatch):
    return measuring(fresh_results, card, extraction, tiny, monkeypatch)


def test_an_empty_selection_gives_empty_tables_with_all_columns(nothing_selected):
    tables = nothing_selected
    assert list(tables["completions"].columns) == COLUMNS and tables["completions"].empty
    assert list(tables["variants"].columns) == VARIANT_COLUMNS and tables["variants"].empty
    assert {cell.partition("/")[0] for cell in tables["cells"]} == {"project"}


def test_projections_do_not_need_a_selection(nothing_selected, tiny):
    rows = nothing_selected["projections"]
    assert rows["projection"].notna().all() and sorted(rows["layer"].unique()) == list(range(tiny.num_layers))
    # unedited and two picks; the family without a pick is left out
    assert rows["variant"].nunique() == 3
    assert rows.groupby("variant").size().nunique() == 1
    assert {"model", "variant", "set", "id", "group", "label", "layer", "projection"} <= set(rows.columns)


def test_the_first_block_input_is_untouched_by_weight_edits_and_later_ones_are_not(nothing_selected):
    rows = nothing_selected["projections"]
    wide = rows.pivot_table(index=["set", "id", "layer"], columns="variant", values="projection").reset_index("layer")
    edited = [name for name in wide.columns if name not in ("layer", "base")]
    for name in edited:
        moved = (wide[name] - wide["base"]).abs()
        assert (moved[wide["layer"] == 0] == 0).all() and (moved[wide["layer"] == 3] > 1e-6).all()


def texts(folder) -> pd.DataFrame:
    """Every stored row of completions."""
    return pd.concat(pd.read_parquet(path) for path in (folder / "store" / "generate").rglob("*.parquet"))


def test_verdicts_stand_for_texts_and_a_second_run_computes_nothing(run, fresh_results, tiny):
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    first = run(PICKED)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.model.state_dict().items())
    completions = first["completions"]
    assert len(completions) == 4 * 2 * 3  # ablate, clamp, add, orthogonalize; two sets; three prompts
    assert all(set(json.loads(text)) == {"rules", "coherence"} for text in completions["withheld"])
    kept, done = texts(fresh_results), count(fresh_results / "store")
    assert len(kept) == 24 and done["rows"] == 24 + 3 * 2 * 3  # projections: unedited and two picks; two sets; three prompts
    assert (kept["response"] == "").all() and (completions["response"] == "").all()
    assert done["starts"] == 1
    second = run(PICKED)
    assert count(fresh_results / "store") == done, "nothing is missing, so no model is loaded"
    pd.testing.assert_frame_equal(second["completions"], completions)
    pd.testing.assert_frame_equal(second["projections"], first["projections"])
    assert second["cells"] == first["cells"]


@pytest.mark.engine
def test_the_engine_answers_as_memory_does(fresh_results, card, extraction, tiny, monkeypatch):
    """Interventions from the engine where it is asked for; the edit of weights beside them stays in memory."""
    from shared_engine import close_shared_engine

    close_shared_engine()
    monkeypatch.setattr(stage, "kept", lambda rows, *_: rows.assign(withheld="{}"))
    found = {}
    for way in ("transformers", "engine"):
        stands_open(monkeypatch, tiny)
        config = make_config(fresh_results, evaluation={"max_new_tokens": 8, "test_prompts": 3}, serving={"hooks": way})
        found[way] = measure(config, SUBJECT, card, extraction, PICKED, PICKS, lambda text: None)["completions"]
    forms = {variant.id: variant.form for variant, _ in in_memory_phase(config, SUBJECT, PICKED).variants}
    assert {forms[row.variant]: row.backend for row in found["engine"].itertuples()} == {
        "ablate": "vllm",
        "clamp": "vllm",
        "add": "vllm",
        "orthogonalize": "transformers",
    }
    assert list(found["engine"]["response"]) == list(found["transformers"]["response"])
    assert found["engine"]["response"].nunique() > 6
    pd.testing.assert_frame_equal(found["engine"].drop(columns="backend"), found["transformers"].drop(columns="backend"))


def test_a_model_decides_where_it_is_answered(tiny_folder, tmp_path, monkeypatch):
    checkpoint = Checkpoint(tiny_folder)
    assert hooks_backend("auto", checkpoint) == hooks_backend("transformers", checkpoint) == "transformers"
    assert hooks_backend("engine", checkpoint) == "vllm"
    monkeypatch.setattr(in_engine, "ENGINE_FROM", 100_000)
    assert hooks_backend("auto", checkpoint) == "vllm"
    monkeypatch.setitem(checkpoint.config, "model_type", "cohere")
    assert hooks_backend("auto", checkpoint) == "transformers"
    with pytest.raises(ConfigError, match="'cohere'"):
        hooks_backend("engine", checkpoint)


def test_interventions_take_the_place_that_was_selected():
    found = in_memory_phase(make_config("unused"), SUBJECT, PICKED)
    directions = [edits[0]["direction"] for _, edits in found.variants]
    assert {(d["position"], d["layer"]) for d in directions} == {(-1, 2)}
    assert all("selected" not in d for d in directions)
    assert all(edits[0].get("strength") == (1.0 if edits[0]["method"] == "add" else None) for _, edits in found.variants)


def test_controls_take_the_places_that_their_own_searches_found():
    names = ["isotropic-0", "isotropic-1", "covariance-0", "shuffled-0", "shuffled-1"]
    places = {name: {"ablate": [-1, number % 3], "add": [-1, 2]} for number, name in enumerate(names)}
    places["shuffled-1"] = {"ablate": None, "add": None}
    found = in_memory_phase(make_config("unused"), make_subject(), {"plain": {**PICKED["plain"], "controls": places}})
    # each control is measured as its method is, but orthogonalisation, the weight form of ablation, stands alone
    assert len(found.variants) == 4 + 3 * 5
    controls = [(variant, edits) for variant, edits in found.variants if variant.role == "control"]
    for variant, edits in controls:
        wanted = places[f"{variant.control}-{variant.control_seed}"]["add" if variant.form == "add" else "ablate"]
        assert (edits == []) == (wanted is None)
        if edits:
            assert [edits[0]["direction"]["position"], edits[0]["direction"]["layer"]] == wanted
        assert variant.sets == (("benign_requests",) if variant.form == "add" else ("harmful_requests",))


def test_prompts_of_measure_sets_are_the_test_split(nothing_selected, results):
    rows = nothing_selected["projections"]
    table = pd.read_parquet(Layout(str(results)).prompts(SUBJECT, "harmful_requests"))
    assert set(rows.loc[rows["set"] == "harmful_requests", "id"]) < set(table.loc[table["split"] == "test", "id"])
