"""Activation patching of pairs: patches of a block in one pass that starts there, against a whole pass for each patch."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from speed.comparison import Comparison
from speed.repeats import alternate, seconds
from speed.setting import Setting
from speed.texts import passages

from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import PatchedPart, Place, patch_pair, places_of
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel

LENGTH, BUDGET = 32, 4096
PARTS: tuple[PatchedPart, ...] = ("stream", "attention", "mlp", "head")
METRIC = RefusalMetric((30, 70), 0.0)
KINDS = {"stream": "resid_pre", "attention": "attn_out", "mlp": "mlp_out", "head": "z"}
"""What TransformerLens calls these parts."""


def measure(setting: Setting) -> list[Comparison]:
    torch.set_num_threads(setting.threads)
    loaded = setting.loaded()
    length = setting.of(LENGTH, 6)
    clean, corrupt = ((loaded.tokenizer.encode(text) * 9)[:length] for text in passages(2, 40, 55))
    pair = PairedPrompts("clean", "corrupt", "g", tuple(clean), tuple(corrupt))
    # Every third block: how much of the model lies above the patched block is on average as with all of them.
    places = places_of(loaded, pair.length, PARTS, range(1, loaded.num_layers, 3))
    # A share of the patches, evenly over layers, tokens and parts, stands for all of them on the other sides.
    some = places[:: max(1, len(places) // setting.of(48, 8))]
    scored: dict[str, list[float]] = {}

    def ours() -> None:
        scored["ours"] = patch_pair(loaded, pair, places, METRIC, "denoise", BUDGET)["patched"].tolist()

    def plain() -> None:
        scored["plain"] = one_by_one(loaded, pair, some)

    taken = alternate({"ours": ours, "plain": plain}, setting.repeats)
    wanted = torch.tensor([scored["ours"][places.index(place)] for place in some])
    torch.testing.assert_close(wanted, torch.tensor(scored["plain"]), rtol=1e-3, atol=1e-3)
    whole = len(places) / len(some)
    shared: dict[str, Any] = {"measure": "activation patching", "model": setting.label(), "work": len(places), "unit": "patches"}
    note = (
        f"a pair of {pair.length} tokens, one way: {len(places)} patches of all parts of every third block; "
        f"ours with the run of both prompts, the other measured on {len(some)} of them and extrapolated"
    )
    found = [
        Comparison(
            against="a whole pass with a hook for each patch",
            target=5.0,
            goal="at least",
            ours=taken["ours"],
            baseline=[one * whole for one in taken["plain"]],
            note=note,
            **shared,
        )
    ]
    if find_spec("transformer_lens") is None:
        return found  # its loop cannot be measured where it is not installed
    theirs = their_loop(loaded, pair, some)
    torch.testing.assert_close(wanted, torch.tensor(theirs()), rtol=1e-3, atol=1e-3)
    spent = [seconds(theirs) * whole for _ in range(setting.repeats)]
    against = "TransformerLens' generic_activation_patch on its bridge"
    return [
        *found,
        Comparison(against=against, target=3.0, goal="at least", ours=taken["ours"], baseline=spent, note=note, **shared),
    ]


@torch.no_grad()
def one_by_one(loaded: LoadedModel, pair: PairedPrompts, places: list[Place]) -> list[float]:
    """Each patch by a whole pass over the corrupt prompt, the clean run's activations known."""
    blocks, kept, found = decoder_blocks(loaded.model), {}, []
    clean, corrupt = (torch.tensor([tokens], device=loaded.device) for tokens in (pair.clean, pair.corrupt))
    heads = loaded.model.config.num_attention_heads

    def at(place: Place) -> tuple[torch.nn.Module, bool]:
        block = blocks[place.layer]
        if place.part == "stream":
            return block.module, True
        if place.part == "head":
            return block.attention.o_proj, True
        return (block.attention_write if place.part == "attention" else block.mlp_write), False

    def hook(act: Any, before: bool, _module: Any, args: Any, kwargs: Any, output: Any = None) -> Any:
        x = (args[0] if args else kwargs["hidden_states"]) if before else (output[0] if isinstance(output, tuple) else output)
        changed = act(x)
        if changed is None:
            return None
        if before:
            return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def run(tokens: torch.Tensor, acts: list[tuple[torch.nn.Module, bool, Any]]) -> torch.Tensor:
        handles = [
            (module.register_forward_pre_hook if before else module.register_forward_hook)(
                partial(hook, act, before), with_kwargs=True
            )
            for module, before, act in acts
        ]
        try:
            return loaded.model(input_ids=tokens, use_cache=False, logits_to_keep=1).logits[:, -1]
        finally:
            for handle in handles:
                handle.remove()

    def keep(key: tuple[str, int], x: torch.Tensor) -> None:
        kept[key] = x.clone()

    one = {(place.part, place.layer): place for place in places}
    run(clean, [(*at(place), partial(keep, key)) for key, place in one.items()])

    def put(place: Place, x: torch.Tensor) -> torch.Tensor:
        x, there = x.clone(), kept[place.part, place.layer]
        if place.head is None:
            x[:, place.column] = there[:, place.column]
        else:
            width = x.shape[-1] // heads
            part = slice(place.head * width, (place.head + 1) * width)
            x[:, :, part] = there[:, :, part]
        return x

    for place in places:
        found.append(METRIC(run(corrupt, [(*at(place), partial(put, place))])).item())
    return found


def their_loop(loaded: LoadedModel, pair: PairedPrompts, places: list[Place]) -> Any:
    """TransformerLens' loop over the same places, on a second copy of the weights, which its bridge takes to pieces."""
    from copy import deepcopy

    import pandas as pd
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.patching import generic_activation_patch

    model = deepcopy(loaded.model)
    model.config.architectures = [type(model).__name__]
    bridge = TransformerBridge.boot_transformers("a/model", hf_model=model, tokenizer=loaded.tokenizer, device=loaded.device)
    clean, corrupt = (torch.tensor([tokens], device=loaded.device) for tokens in (pair.clean, pair.corrupt))

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return METRIC(logits[:, -1])[0].float()

    def setter(x: torch.Tensor, index: Any, there: torch.Tensor, by_head: bool) -> torch.Tensor:
        if by_head:
            x[:, :, index[1]] = there[:, :, index[1]]
        else:
            x[:, index[1]] = there[:, index[1]]
        return x

    @torch.no_grad()
    def run() -> list[float]:
        _, cache = bridge.run_with_cache(clean)
        found: dict[Place, float] = {}
        for part in PARTS:
            own = [place for place in places if place.part == part]
            if not own:
                continue
            second = "head" if part == "head" else "pos"
            table = pd.DataFrame([(place.layer, place.head if part == "head" else place.column) for place in own])
            table.columns = ["layer", second]
            put = partial(setter, by_head=part == "head")
            values = generic_activation_patch(bridge, corrupt, cache, metric, put, KINDS[part], index_df=table)
            found |= dict(zip(own, values.tolist(), strict=True))
        return [found[place] for place in places]

    return run
