"""Causal scores of candidate directions, against one full pass for each candidate and intervention."""

from __future__ import annotations

from typing import Any

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

from anatomy.interventions.directions.candidates import Directions, difference_in_means
from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.interventions.directions.prompt_scores import PromptScores
from anatomy.interventions.directions.scores import score_candidates
from anatomy.models.activations.batching import padded
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.activations.means import mean_activations
from anatomy.models.loading import LoadedModel

POSITIONS, LAYER_SHARE, TOKENS = (-2, -1), 0.8, [30, 70]
EPSILON = 1e-8


def measure(setting: Setting) -> list[Comparison]:
    loaded, count = setting.loaded(), setting.of(24, 4)
    # As a chat template writes them: a beginning and an end that all prompts have, and a request between.
    texts = [f"User request follows here, answer it. {text} Answer to the request" for text in passages(2 * count, 15, 45)]
    prompts = [loaded.tokenizer.encode(text) for text in texts]
    harmful, harmless = prompts[:count], prompts[count:]
    # Every second candidate layer: as many prompts as a grid has, and several candidates a layer, matter more than all layers.
    layers = range(1, max(2, int(LAYER_SHARE * loaded.num_layers)), 2)
    budget = count * max(map(len, prompts))
    moments = [mean_activations(loaded, side, POSITIONS, token_budget=budget, layers=layers) for side in (harmful, harmless)]
    directions = difference_in_means(*moments)
    cells = [(position, layer) for position in directions.positions for layer in directions.layers]
    chosen = list(dict.fromkeys([cells[0], cells[len(cells) // 2], cells[-1]]))

    scored: dict[str, Any] = {}

    def ours() -> None:
        scored["ours"] = score_candidates(
            PromptScores.of(
                loaded,
                directions,
                harmful,
                harmless,
                TOKENS,
                common_prefix=[],
                harmless_answers=None,
                token_budget=budget,
                epsilon=EPSILON,
            )
        )

    def theirs() -> None:
        scored["theirs"] = {cell: full_passes(loaded, directions, cell, harmful, harmless) for cell in chosen}

    _last(loaded, harmful[:2])
    taken = alternate({"ours": ours, "theirs": theirs}, setting.repeats, warm=False)
    table = scored["ours"].set_index(["position", "layer"])
    for cell, expected in scored["theirs"].items():
        torch.testing.assert_close(torch.tensor(table.loc[cell].tolist()), torch.tensor(expected), rtol=1e-3, atol=1e-3)
    whole = len(cells) / len(chosen)
    return [
        Comparison(
            "selection grid",
            "a full pass for each candidate and intervention",
            1.6,
            "at least",
            taken["ours"],
            [seconds * whole for seconds in taken["theirs"]],
            setting.label(),
            len(cells),
            "candidates",
            f"{len(cells)} candidates, {count} prompts a side of {min(map(len, prompts))} to {max(map(len, prompts))} tokens, "
            f"one batch a side on both sides; theirs measured on {len(chosen)} candidates and extrapolated",
        )
    ]


@torch.no_grad()
def full_passes(
    loaded: LoadedModel, directions: Directions, cell: tuple[int, int], harmful: list[list[int]], harmless: list[list[int]]
) -> list[float]:
    """Bypass, induce and KL of one candidate by three passes of the whole model, last position read from all logits."""
    unit, vector, layers = directions.unit(*cell), directions.vector(*cell), tuple(range(loaded.num_layers))
    ablate = Intervention("ablate", layers, unit.expand(len(layers), 1, -1), None, 1.0, SITES, "all")
    add = Intervention("add", (cell[1],), vector.view(1, 1, -1), None, 1.0, ("block_input",), "all")
    with intervening(loaded.model, [ablate]):
        bypass = refusal_metric(_last(loaded, harmful), TOKENS, EPSILON).mean().item()
        ablated = _last(loaded, harmless)
    with intervening(loaded.model, [add]):
        induce = refusal_metric(_last(loaded, harmless), TOKENS, EPSILON).mean().item()
    # The unedited logits are computed once for all candidates in the published code: not counted for each.
    key = (id(loaded), id(harmless))
    if key not in _unedited:
        _unedited[key] = _last(loaded, harmless)
    return [bypass, induce, kl_divergence(_unedited[key], ablated).mean().item()]


_unedited: dict[tuple[int, int], torch.Tensor] = {}


@torch.no_grad()
def _last(loaded: LoadedModel, prompts: list[list[int]]) -> torch.Tensor:
    batch = padded(prompts, range(len(prompts)), loaded.pad_token_id, loaded.device)
    return loaded.model(**batch.inputs(), use_cache=False).logits[:, -1]
