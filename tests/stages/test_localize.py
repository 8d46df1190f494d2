"""Where a direction is chosen: every cell has its reason, and an empty grid is an outcome."""

import pandas as pd
import pytest
from small_study import make_config
from tiny_model import stands_open

from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages import screen as screening
from anatomy.stages.localize import choose, localize, own_continuations
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.own_answers import own_answers
from anatomy.stages.selected_direction import place_of
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
    grid, found = chosen()
    kept = grid[grid["kept"]]
    assert found["outcome"] == "picked" and found["layer"] < CUT
    best = kept.sort_values("bypass").iloc[0]
    assert place_of(found) == (best["position"], best["layer"])
    assert (grid["reason"] != "").all() and (grid["reason"] == "picked").sum() == 1
    assert grid.loc[grid["norm"] == 0, "reason"].eq("zero norm").all()


@pytest.mark.parametrize("options", [{"min_induce": 1e9}, {"max_kl": 0.0}])
def test_where_none_passes_the_rule_the_lowest_bypass_is_carried_on_under_another_name(chosen, options):
    grid, found = chosen(**options)
    assert found["outcome"] == "nearest"
    assert not grid["kept"].any() and (grid["reason"] != "").all()
    allowed = grid[(grid["layer"] < CUT) & grid["bypass"].notna()]
    best = allowed.loc[allowed["bypass"].idxmin()]
    assert place_of(found) == (best["position"], best["layer"])


def test_without_refusal_tokens_nothing_is_searched(chosen, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("scored")

    monkeypatch.setattr("anatomy.stages.localize.search_directions", never)
    grid, found = chosen({"tokens": [], "common_prefix": []})
    assert found == {"outcome": "no refusal tokens", "position": None, "layer": None} and place_of(found) is None
    assert grid[["bypass", "induce", "kl"]].isna().all(axis=None) and not grid["kept"].any()
    # what needs no tokens is still measured
    assert grid.loc[grid["norm"] > 0, "auroc"].notna().all()


def test_continuations_begin_with_the_common_prefix_and_are_cut(tiny):
    prompts = [[1, 50, 60], [1, 70, 80, 90]]
    found = own_continuations(tiny, prompts, 2, [5, 6], 4096)
    assert all(ids[:2] == [5, 6] and len(ids) <= 4 for ids in found) and len(found) == 2


@pytest.fixture
def run(config, subject, card, extraction, tiny, monkeypatch):
    """Own answers, the search for a direction and the screen, one after the other."""
    stands_open(monkeypatch, tiny)

    def all_three(fallback=None):
        answers, tokens = own_answers(config, subject, card, fallback, str)
        grid, selected = localize(config, subject, card, extraction, tokens, str)
        return answers, tokens, grid, selected, screening.screen(config, subject, tiny, ModelEdits(card, extraction), tokens, str)

    return all_three


def test_a_model_that_never_refuses_is_read_with_its_relatives_tokens(run, tmp_path, config, subject):
    counts = {
        "refusal_counts": {},
        "compliance_counts": {},
        "refusals": 9,
        "compliances": 9,
        "common_prefix": [],
        "source": "",
        "words": [],
    }
    write_json(tmp_path / "tokens.json", {"outcome": "found", "tokens": [20, 30], **counts})
    answers, tokens, grid, selected, (_, shortlist) = run(tmp_path / "tokens.json")
    assert tokens["outcome"] == "borrowed"
    assert set(grid.columns) >= GRID
    assert len(grid) == grid["position"].nunique() * LAYERS and not grid.duplicated(["contrast", "position", "layer"]).any()
    assert selected["plain"]["outcome"] == "picked"
    assert set(shortlist) == {family.name for family in families(config, subject)}
    assert "token_ids" not in answers


def test_a_model_without_refusals_or_relatives_ends_with_empty_results_and_no_error(run, config, subject):
    answers, tokens, _, selected, (table, shortlist) = run()
    assert tokens["outcome"] == "none found"
    assert selected == {"plain": {"outcome": "no refusal tokens", "position": None, "layer": None}}
    assert table.empty and list(table.columns) == screening.COLUMNS
    assert shortlist == {family.name: [] for family in families(config, subject)}
    assert isinstance(answers, pd.DataFrame) and len(answers) == 16
