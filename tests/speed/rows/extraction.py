"""Mean activations at candidate positions and layers, against all hidden states and an index."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

from anatomy.models.activations.batching import padded
from anatomy.models.activations.means import mean_activations
from anatomy.models.loading import LoadedModel

POSITIONS = (-5, -4, -3, -2, -1)
BATCH, LAYER_SHARE = 32, 0.8


def measure(setting: Setting) -> list[Comparison]:
    loaded = setting.loaded()
    texts = passages(setting.of(192, 40), 15, 55)
    prompts = [loaded.tokenizer.encode(text) for text in texts]
    layers = range(max(1, int(LAYER_SHARE * loaded.num_layers)))
    budget = BATCH * max(map(len, prompts))

    def ours() -> object:
        return mean_activations(loaded, prompts, POSITIONS, token_budget=budget, layers=layers)

    def theirs() -> object:
        return all_hidden_states(loaded, prompts, list(layers))

    _same(ours().mean, theirs())
    taken = alternate({"ours": ours, "theirs": theirs}, setting.repeats)
    shared = {
        "measure": "extraction",
        "against": f"output_hidden_states and index, file order, batches of {BATCH}",
        "model": setting.label(),
    }
    return [
        Comparison(
            target=1.7,
            goal="at least",
            ours=taken["ours"],
            baseline=taken["theirs"],
            unit="tokens",
            work=sum(map(len, prompts)),
            **shared,
            note=f"{len(prompts)} prompts of {min(map(len, prompts))} to {max(map(len, prompts))} tokens, candidate "
            f"layers 0 to {layers[-1]}: sorted, no output head, no block above the last candidate",
        ),
        Comparison(
            target=0.1,
            goal="at most",
            ours=[kept(ours, loaded)],
            baseline=[kept(theirs, loaded)],
            unit="bytes",
            **shared | {"measure": "activations kept"},
            note="tensors as wide as the stream alive between two batches",
        ),
    ]


@torch.no_grad()
def all_hidden_states(loaded: LoadedModel, prompts: list[list[int]], layers: list[int]) -> torch.Tensor:
    """The plain way: every hidden state of the whole model, then the few that are wanted; sums in fp64 as ours."""
    total = torch.zeros(len(POSITIONS), len(layers), loaded.d_model, dtype=torch.float64)
    squares = torch.zeros_like(total)
    for start in range(0, len(prompts), BATCH):
        chunk = prompts[start : start + BATCH]
        batch = padded(chunk, range(len(chunk)), loaded.pad_token_id, loaded.device)
        states = loaded.model(**batch.inputs(), use_cache=False, output_hidden_states=True).hidden_states
        for slot, layer in enumerate(layers):
            read = states[layer][:, list(POSITIONS)].double().cpu()
            total[:, slot] += read.sum(0)
            squares[:, slot] += read.square().sum(0)
    return total / len(prompts)


def kept(run: Callable[[], object], loaded: LoadedModel) -> float:
    """Bytes of tensors as wide as the stream that are alive between two passes, weights apart; the most of all batches."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in loaded.model.parameters()}
    found = []

    def look(*_: object) -> None:
        storages = {}
        for thing in gc.get_objects():
            if type(thing) is torch.Tensor and thing.ndim > 1 and thing.shape[-1] == loaded.d_model:
                storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        found.append(sum(size for place, size in storages.items() if place not in weights))

    handle = loaded.model.base_model.register_forward_pre_hook(look)
    run()
    handle.remove()
    return float(max(found))


def _same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
