"""The search for a direction by a race, against every candidate on all prompts: tokens through the blocks, and time."""

from __future__ import annotations

import torch
from counted_tokens import counting
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.prompt_scores import CRITERIA
from anatomy.interventions.directions.search import search_directions
from anatomy.interventions.directions.selection import SelectionRule, select_direction
from anatomy.models.activations.means import mean_activations

POSITIONS, TOKENS = (-3, -2, -1), [30, 70]
RULE = SelectionRule(least_induce=-100.0, most_kl=100.0, layer_fraction=0.8)
"""A random model refuses nothing: with the published limits nothing would be kept, and both sides would stop early."""

PACE = Pace(first=4, error=0.05, seed=0)


def measure(setting: Setting) -> list[Comparison]:
    loaded, count = setting.loaded(), setting.of(32, 8)
    texts = [f"User request follows here, answer it. {text} Answer to the request" for text in passages(2 * count, 15, 45)]
    prompts = [loaded.tokenizer.encode(text) for text in texts]
    harmful, harmless = prompts[:count], prompts[count:]
    budget = count * max(map(len, prompts))
    layers = range(1, loaded.num_layers)
    moments = [mean_activations(loaded, side, POSITIONS, token_budget=budget, layers=layers) for side in (harmful, harmless)]
    directions = difference_in_means(*moments)
    grids, tokens = {}, {}

    def searched(name: str, pace: Pace | None) -> None:
        with counting() as passed:
            grids[name] = search_directions(
                loaded,
                directions,
                harmful,
                harmless,
                TOKENS,
                rule=RULE,
                pace=pace,
                common_prefix=[],
                harmless_answers=None,
                token_budget=budget,
                epsilon=1e-8,
            )
        tokens[name] = passed.through(loaded.num_layers)

    taken = alternate({"race": lambda: searched("race", PACE), "all": lambda: searched("all", None)}, setting.repeats, warm=False)
    for criterion in CRITERIA:
        whole = grids["race"][f"n_{criterion}"] == count
        raced, expected = (torch.tensor(grids[name].loc[whole, criterion].tolist()) for name in ("race", "all"))
        torch.testing.assert_close(raced, expected, rtol=1e-3, atol=1e-3)
    picks = {name: select_direction(grid, loaded.num_layers, RULE) for name, grid in grids.items()}
    bypass = grids["all"].set_index(["position", "layer"])["bypass"]
    lost = bypass[(picks["race"].position, picks["race"].layer)] - bypass[(picks["all"].position, picks["all"].layer)]
    note = f"{len(bypass)} candidates, {count} prompts a side; the pick is {lost:.2g} log-odds worse"
    against, label = "every candidate on all prompts", setting.label()
    return [
        Comparison("direction search, time", against, 1 / 5, "at most", taken["race"], taken["all"], label, note=note),
        Comparison(
            "direction search, tokens",
            against,
            1 / 6,
            "at most",
            [tokens["race"]],
            [tokens["all"]],
            label,
            unit="tokens passed",
            note=note,
        ),
    ]
