"""Activation patching: one activation of a run replaced by what another run has in its place.

Recovery ``(m_patched - m_corrupt) / (m_clean - m_corrupt)`` (Heimersheim and Nanda 2024, arXiv 2404.15255; dossier, section 4e).
Everything below the patched block and before the patched token is as in the run that is patched, and is not computed again: a
pass starts at the block with that run's stream and goes on from its keys and values; its rows are the patches of one block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.directions.shared_prefix import keeps_beginnings, prefix_cache, rows_of
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.run_record import RunRecord, head_count, output_projection, record_run
from anatomy.models.activations.hooks import modifying
from anatomy.models.activations.last_block import last_block_at, last_columns
from anatomy.models.activations.starting import starting_at
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted

PatchedPart = Literal["stream", "attention", "mlp", "head"]
"""What is replaced: a block's input, what attention or the MLP adds, or one head's output."""

Way = Literal["denoise", "noise"]
"""``denoise``: the clean run's activation in the corrupt run; ``noise``: the corrupt run's in the clean one."""

WAYS: tuple[Way, ...] = ("denoise", "noise")

STARTS = 8
"""Tokens from which passes go on, at most: more of them compute less twice and share fewer passes."""


@dataclass(frozen=True)
class Place:
    """Where a patch is made.

    Attributes:
        part: what is replaced.
        layer: 0-based block.
        column: token from the start of the prompt; None for all tokens at once.
        head: query head, for the part ``head``.
    """

    part: PatchedPart
    layer: int
    column: int | None
    head: int | None = None


def places_of(loaded: LoadedModel, length: int, parts: Sequence[PatchedPart], layers: Sequence[int] | None = None) -> list[Place]:
    """Every place of a prompt: each layer and token of stream, attention and MLP, and each layer and head over all tokens.

    Raises:
        ModelError: a layer that the model does not have.
    """
    chosen = list(range(loaded.num_layers) if layers is None else layers)
    heads = head_count(loaded.model) if "head" in parts else 0
    places = [
        place
        for part in parts
        for layer in chosen
        for place in (
            [Place(part, layer, None, head) for head in range(heads)]
            if part == "head"
            else [Place(part, layer, column) for column in range(length)]
        )
    ]
    require_places(loaded, length, places)
    return places


def require_places(loaded: LoadedModel, length: int, places: Sequence[Place]) -> None:
    """That a model has every place in a prompt of ``length`` tokens; negative numbers would silently count from the end.

    Raises:
        ModelError: a layer, token or head that is not there, or a head of a part that has none.
    """
    layers, heads = loaded.num_layers, head_count(loaded.model) if any(place.part == "head" for place in places) else 0
    for place in places:
        by_head = place.part == "head"
        if not 0 <= place.layer < layers:
            found, expected = f"layer {place.layer}", f"layers 0 to {layers - 1}"
        elif place.column is not None and not 0 <= place.column < length:
            found, expected = f"token {place.column}", f"tokens 0 to {length - 1}, or all of them"
        elif by_head and (place.head is None or not 0 <= place.head < heads):
            found, expected = f"head {place.head} of block {place.layer}", f"heads 0 to {heads - 1}"
        elif not by_head and place.head is not None:
            found, expected = f"head {place.head} of the part {place.part}", "a head only where the part is one"
        else:
            continue
        raise ModelError(
            found=found, expected=expected, where=str(loaded.folder), remedy="correct the places that are to be patched"
        )


@torch.no_grad()
def patch_pair(
    loaded: LoadedModel, pair: PairedPrompts, places: Sequence[Place], metric: RefusalMetric, way: Way, token_budget: int
) -> pd.DataFrame:
    """Metric of a run with each place patched: columns ``part, layer, column, head, way, patched, clean, corrupt, recovery``.

    ``recovery`` is 0 where the patch leaves the run as it was and 1 where it brings the other run's metric: in the noising way
    that is the share of the metric that is lost. It is NaN where both runs have the same metric.

    Args:
        token_budget: most tokens of a pass.

    Raises:
        ModelError: a layer, token or head that is not there.
    """
    require_places(loaded, pair.length, places)
    both = record_run(loaded, torch.tensor([pair.clean, pair.corrupt], device=loaded.device))
    assert both.logits is not None
    clean, corrupt = metric(both.logits).tolist()
    giving, taking = (0, 1) if way == "denoise" else (1, 0)
    taken = (pair.clean, pair.corrupt)[taking]
    scored = torch.full((len(places),), (clean, corrupt)[taking], dtype=torch.float64)
    passes = _passes(loaded, pair, places)
    whole = prefix_cache(loaded, taken, 1) if any(start for _, start in passes) else None
    beginnings = {start: beginning(whole, start, pair.length) for _, start in passes}
    several = sum(map(len, passes.values()))
    for (layer, start), own in counted(sorted(passes.items()), "patched places", several, lambda one: len(one[1])):
        size = max(1, token_budget // (pair.length - start))
        for first in range(0, len(own), size):
            chunk = own[first : first + size]
            shifted = [_from(places[index], start) for index in chunk]
            tokens = torch.tensor([taken[start:]] * len(chunk), device=loaded.device)
            cache = rows_of(beginnings[start], slice(0, 1), len(chunk))
            # The last block is computed for the last token alone, but where its own activations are replaced.
            narrowed = last_block_at(loaded.model, last_columns(tokens, 1)) if layer < loaded.num_layers - 1 else nullcontext()
            with _patched(loaded, both, giving, taking, start, shifted), narrowed:
                output = loaded.model(input_ids=tokens, past_key_values=cache, use_cache=cache is not None, logits_to_keep=1)
            scored[chunk] = metric(output.logits[:, -1])
    from_, to = (corrupt, clean) if way == "denoise" else (clean, corrupt)
    rows = pd.DataFrame(
        {
            "part": [place.part for place in places],
            "layer": [place.layer for place in places],
            "column": pd.array([place.column for place in places], dtype="Int64"),
            "head": pd.array([place.head for place in places], dtype="Int64"),
            "way": way,
            "patched": scored.numpy(),
            "clean": clean,
            "corrupt": corrupt,
        }
    )
    rows["recovery"] = (rows["patched"] - from_) / (to - from_) if to != from_ else float("nan")
    return rows


def _passes(loaded: LoadedModel, pair: PairedPrompts, places: Sequence[Place]) -> dict[tuple[int, int], list[int]]:
    """Places that share passes, by their block and the token that these begin at.

    Up to the first token in which the two prompts differ both runs are alike: patches there change nothing and are left out.
    """
    alike, starts = pair.alike, [0]
    if keeps_beginnings(loaded, pair.length):
        starts = sorted({alike + round(step * (pair.length - alike) / STARTS) for step in range(STARTS)})
    found: dict[tuple[int, int], list[int]] = {}
    for index, place in enumerate(places):
        first = alike if place.column is None else place.column
        if alike <= first < pair.length:
            start = starts[bisect_right(starts, first) - 1]
            found.setdefault((place.layer, start), []).append(index)
    return found


def beginning(whole: Any, start: int, length: int) -> Any:
    """Keys and values of the tokens before ``start``, of those of a run of ``length`` tokens; None where there are none."""
    if start == 0:
        return None
    own = rows_of(whole, slice(0, 1), 1)
    own.crop(start - length)
    return own


def _from(place: Place, start: int) -> Place:
    """The same place in a pass that begins at a token."""
    return place if place.column is None else replace(place, column=place.column - start)


@contextmanager
def _patched(
    loaded: LoadedModel, both: RunRecord, giving: int, taking: int, start: int, places: Sequence[Place]
) -> Iterator[None]:
    """Passes from token ``start`` and the block of ``places``, with row ``taking``'s stream; row r has place r patched."""
    layer, rows = places[0].layer, len(places)
    block = decoder_blocks(loaded.model)[layer]
    stream = both.streams[layer][taking, start:].repeat(rows, 1, 1)
    for row, place in enumerate(places):
        if place.part == "stream":
            stream[row, _columns(place)] = both.streams[layer][giving, start:][_columns(place)]
    writes = {"attention_output": ("attention", both.attention), "mlp_output": ("mlp", both.mlp)}
    changes = {}
    for site, (part, known) in writes.items():
        own = [(row, place) for row, place in enumerate(places) if place.part == part]
        if own:
            changes[site, layer] = _replacing(own, known[layer][giving, start:])
    handles = []
    if heads := [(row, place) for row, place in enumerate(places) if place.part == "head"]:
        replace = _replacing_heads(heads, both.heads[layer][giving, start:], head_count(loaded.model))
        handles.append(output_projection(block).register_forward_pre_hook(replace))
    try:
        with starting_at(loaded.model, layer, stream), modifying(loaded.model, changes):  # type: ignore[arg-type]
            yield
    finally:
        for handle in handles:
            handle.remove()


def _columns(place: Place) -> slice:
    return slice(None) if place.column is None else slice(place.column, place.column + 1)


def _replacing(own: Sequence[tuple[int, Place]], known: Float[Tensor, "column d_model"]) -> Callable[[Tensor], Tensor]:
    def change(x: Tensor) -> Tensor:
        changed = x.clone()
        for row, place in own:
            changed[row, _columns(place)] = known[_columns(place)]
        return changed

    return change


def _replacing_heads(
    own: Sequence[tuple[int, Place]], known: Float[Tensor, "column head_width"], heads: int
) -> Callable[[nn.Module, tuple], tuple]:
    width = known.shape[-1] // heads

    def change(_module: nn.Module, args: tuple) -> tuple:
        changed = args[0].clone()
        for row, place in own:
            part = slice((place.head or 0) * width, ((place.head or 0) + 1) * width)
            changed[row, _columns(place), part] = known[_columns(place), part]
        return (changed, *args[1:])

    return change
