"""Where a direction is chosen: every cell has its reason, and an empty grid is an outcome."""

import pandas as pd
import pytest
from small_study import make_config

from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages import screen as screening
from anatomy.recipes.rosi.stages.localize import choose, localize, own_continuations
from anatomy.store.files import write_json

GRID = {"model", "contrast", "position", "layer", "bypass", "induce", "kl", "auroc", "cohens_d", "norm", "kept", "reason"}
LAYERS, CUT = 4, 3  # int(0.8 x 4)
TOKENS = {"tokens": [20, 30], "common_prefix": []}


@pytest.fixture
def chosen(config, subject, tiny, model_edits, results):
    def run(tokens=TOKENS, **options):
        return choose(make_config(results, selection=options), subject, tiny, model_edits.directions, "plain", tokens)

    return run


def test_a_pick_lies_among_the_kept_cells_below_the_cut(chosen):
    found = chosen()
    kept = found.grid[found.grid["kept"]]
    assert found.outcome == "picked" and found.layer < CUT
    best = kept.sort_values("bypass").iloc[0]
    assert (found.position, found.layer) == (best["position"], best["layer"])
    assert (found.grid["reason"] != "").all() and (found.grid["reason"] == "picked").sum() == 1
    assert found.grid.loc[found.grid["norm"] == 0, "reason"].eq("zero norm").all()


@pytest.mark.parametrize("options", [{"min_induce": 1e9}, {"max_kl": 0.0}])
def test_an_empty_grid_is_an_outcome_with_reasons(chosen, options):
    found = chosen(**options)
    assert (found.outcome, found.position, found.layer) == ("empty grid", None, None)
    assert not found.grid["kept"].any() and (found.grid["reason"] != "").all()


def test_without_refusal_tokens_nothing_causal_is_scored(chosen):
    found = chosen({"tokens": [], "common_prefix": []})
    assert found.outcome == "empty grid"
    assert found.grid[["bypass", "induce"]].isna().all(axis=None)
    # what needs no tokens is still measured
    assert found.grid.loc[found.grid["norm"] > 0, ["kl", "auroc"]].notna().all(axis=None)


def test_continuations_begin_with_the_common_prefix_and_are_cut(tiny):
    prompts = [[1, 50, 60], [1, 70, 80, 90]]
    found = own_continuations(tiny, prompts, 2, {"common_prefix": [5, 6]})
    assert all(ids[:2] == [5, 6] and len(ids) <= 4 for ids in found) and len(found) == 2


@pytest.fixture
def run(config, subject, card, extraction, tiny, monkeypatch):
    monkeypatch.setattr("anatomy.recipes.rosi.stages.localize.load_model", lambda *_arguments: tiny)
    return lambda fallback=None: localize(config, subject, card, extraction, fallback, lambda text: None)


def test_a_model_that_never_refuses_is_read_with_its_relatives_tokens(run, tmp_path, config, subject):
    write_json(tmp_path / "tokens.json", {"outcome": "found", "tokens": [20, 30]})
    found = run(tmp_path / "tokens.json")
    assert found.refusal_tokens["outcome"] == "borrowed"
    assert set(found.grid.columns) >= GRID
    positions = found.grid["position"].nunique()
    assert len(found.grid) == positions * LAYERS and not found.grid.duplicated(["contrast", "position", "layer"]).any()
    assert found.selected["plain"]["outcome"] == "picked"
    assert all(len(found.shortlist[family.name]) == 1 for family in families(config, subject))
    assert "token_ids" not in found.completions


def test_a_model_without_refusals_or_relatives_ends_with_empty_results_and_no_error(run, config, subject):
    found = run()
    assert found.refusal_tokens["outcome"] == "none found"
    assert found.selected == {"plain": {"outcome": "empty grid", "position": None, "layer": None}}
    assert found.screen.empty and list(found.screen.columns) == screening.COLUMNS
    assert found.shortlist == {family.name: [] for family in families(config, subject)}
    assert isinstance(found.completions, pd.DataFrame) and len(found.completions) == 16
