import json

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.interventions.directions.selection import SelectionRule, select_direction

PUBLISHED_RULE = SelectionRule(least_induce=0.0, most_kl=0.1, layer_fraction=0.8)
"""Arditi et al. 2024, appendix C. The integer cut reproduces the released grids; ``l < 0.8 L`` does not."""

LAYERS = {"gemma-2b-it": 18, "llama-2-7b-chat-hf": 32, "qwen-1_8b-chat": 24}
NAMES = {"refusal_score": "bypass", "steering_score": "induce", "kl_div_score": "kl"}


def published(shared_data, model, what):
    text = (shared_data / "refusal_direction" / "selection" / f"{model}.{what}.json").read_text()
    return json.loads(text)


@pytest.mark.parametrize(("model", "kept"), [("gemma-2b-it", 13), ("llama-2-7b-chat-hf", 5), ("qwen-1_8b-chat", 12)])
def test_released_grids_give_the_released_picks(shared_data, model, kept):
    grid = pd.DataFrame(published(shared_data, model, "direction_evaluations")).rename(columns=NAMES)
    chosen = select_direction(grid, LAYERS[model], PUBLISHED_RULE)
    pick = published(shared_data, model, "direction_metadata")
    assert (chosen.outcome, chosen.position, chosen.layer) == ("picked", pick["pos"], pick["layer"])
    filtered = published(shared_data, model, "direction_evaluations_filtered")
    ours = chosen.grid[chosen.grid["kept"]]
    assert set(zip(ours["position"], ours["layer"], strict=True)) == {(r["position"], r["layer"]) for r in filtered}
    assert len(ours) == kept
    assert len(chosen.grid) == len(grid)


def test_the_integer_cut_matters():
    grid = pd.DataFrame({"position": -1, "layer": [3, 4], "bypass": [-1.0, -9.0], "induce": 1.0, "kl": 0.0})
    # 0.8 * 6 = 4.8: layer 4 is below 4.8 but not below int(4.8).
    chosen = select_direction(grid, 6, PUBLISHED_RULE)
    assert (chosen.layer, chosen.grid["reason"].tolist()) == (3, ["picked", "layer >= 4"])


def test_every_cell_has_its_reason():
    grid = pd.DataFrame(
        {
            "position": -1,
            "layer": [0, 1, 2, 3, 9, 2],
            "bypass": [0.0, -5.0, float("nan"), -1.0, -9.0, -3.0],
            "induce": [1.0, -0.1, 1.0, 0.0, -1.0, 1.0],
            "kl": [0.0, 0.2, 0.0, 0.1, 0.0, 0.0],
            "norm": [0.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        }
    )
    chosen = select_direction(grid, 10, PUBLISHED_RULE)
    assert chosen.grid["reason"].tolist() == [
        "zero norm",
        "induce < 0; kl > 0.1",
        "bypass not finite",
        "kept",
        "induce < 0; layer >= 8",
        "picked",
    ]
    assert chosen.grid["kept"].tolist() == [False, False, False, True, False, True]


def test_a_cell_that_a_search_dropped_is_never_picked():
    grid = pd.DataFrame({"position": -1, "layer": [1, 2], "bypass": [-9.0, -1.0], "induce": 1.0, "kl": 0.0})
    chosen = select_direction(grid.assign(dropped=["kl > 0.1 on 8 prompts", ""]), 10, PUBLISHED_RULE)
    assert (chosen.layer, chosen.grid["reason"].tolist()) == (2, ["kl > 0.1 on 8 prompts", "picked"])
    assert chosen.grid["kept"].tolist() == [False, True] and "dropped" not in chosen.grid


def test_an_empty_grid_is_an_outcome():
    grid = pd.DataFrame({"position": [-1], "layer": [1], "bypass": [-1.0], "induce": [1.0], "kl": [0.01]})
    chosen = select_direction(grid, 10, SelectionRule(least_induce=2.0, most_kl=0.1, layer_fraction=0.8))
    assert (chosen.outcome, chosen.position, chosen.layer) == ("empty grid", None, None)
    assert chosen.grid["reason"].tolist() == ["induce < 2"]


def test_missing_columns_are_refused():
    with pytest.raises(DataError, match="kl"):
        select_direction(pd.DataFrame({"position": [-1], "layer": [1]}), 10, PUBLISHED_RULE)
