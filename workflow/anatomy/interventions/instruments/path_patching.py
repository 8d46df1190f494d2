"""Path patching: what one head does to the metric by itself, through each later head, and without any later head.

What the sender writes changes only what one receiver reads, and everything above the receiver is computed anew: by itself
(edges, Goldowsky-Dill et al. 2023, arXiv 2304.05969), or with what MLPs between the two make of it (routes, Wang et al. 2023,
arXiv 2211.00593, section 3.1). The stream of the run that is patched is known at every block, so that nothing below a receiver
is computed again; nor is what both prompts begin with, where the two runs are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.directions.shared_prefix import keeps_beginnings, prefix_cache, rows_of
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import Place, Way, beginning, require_places
from anatomy.interventions.instruments.run_record import RunRecord, head_count, output_projection, record_run
from anatomy.models.activations.hooks import Change, modifying
from anatomy.models.activations.last_block import last_block_at, last_columns
from anatomy.models.activations.starting import starting_at, stream_logits
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.models.sites import StreamSite


@dataclass(frozen=True, order=True)
class Head:
    """A query head of a block, both counted from 0."""

    layer: int
    head: int


class _Read(Exception):
    """What enters the receivers' output projection is known."""


@torch.no_grad()
def path_effects(
    loaded: LoadedModel, pair: PairedPrompts, senders: Sequence[Head], metric: RefusalMetric, way: Way, token_budget: int
) -> pd.DataFrame:
    """Metric of a run in which one path from each sender is patched, over all tokens.

    Returns:
        Columns ``sender_layer, sender_head, path, receiver_layer, receiver_head, way, clean, corrupt, patched, recovery``.
        Path ``total``: the head's output is the other run's. ``direct``: only the final norm and the output head see that.
        ``without_heads``: attention of all later blocks stays as it was. ``edge``: only one later head sees it, in its queries,
        keys and values. ``route``: that head also sees what MLPs between make of it. Receivers are -1 for the first three.
        ``recovery`` as for patches; NaN where both runs have the same metric.

    Raises:
        ModelError: a head or layer that the model does not have.
    """
    require_places(loaded, pair.length, [Place("head", one.layer, None, one.head) for one in senders])
    both = record_run(loaded, torch.tensor([pair.clean, pair.corrupt], device=loaded.device))
    assert both.logits is not None
    clean, corrupt = metric(both.logits).tolist()
    giving, taking = (0, 1) if way == "denoise" else (1, 0)
    paths = _paths(loaded, pair, both, giving, taking, metric, token_budget)
    both = paths.both
    rows: list[tuple[int, int, str, int, int, float]] = []
    past_heads: list[dict[int, Tensor]] = [{} for _ in senders]
    for path, streams in (("total", None), ("without_heads", past_heads)):
        found = paths.patched(senders, streams)
        rows += [(one.layer, one.head, path, -1, -1, value) for one, value in zip(senders, found, strict=True)]
    writes = paths.writes(senders)
    final = both.streams[-1][taking, -1] + writes[:, -1]
    direct = metric(stream_logits(loaded, final)).tolist()
    rows += [(one.layer, one.head, "direct", -1, -1, value) for one, value in zip(senders, direct, strict=True)]
    for layer in range(min(one.layer for one in senders) + 1, loaded.num_layers):
        before = [index for index, one in enumerate(senders) if one.layer < layer]
        known = both.streams[layer][taking]
        reads = {"edge": known + writes[before], "route": torch.stack([past_heads[index][layer] for index in before])}
        for path, streams_read in reads.items():
            scored = paths.received(layer, streams_read)
            rows += [
                (senders[index].layer, senders[index].head, path, layer, head, value)
                for index, values in zip(before, scored, strict=True)
                for head, value in enumerate(values)
            ]
    columns = ["sender_layer", "sender_head", "path", "receiver_layer", "receiver_head", "patched"]
    table = pd.DataFrame(rows, columns=columns).assign(way=way, clean=clean, corrupt=corrupt)
    from_, to = (corrupt, clean) if way == "denoise" else (clean, corrupt)
    table["recovery"] = (table["patched"] - from_) / (to - from_) if to != from_ else float("nan")
    return table


def _paths(
    loaded: LoadedModel, pair: PairedPrompts, both: RunRecord, giving: int, taking: int, metric: RefusalMetric, token_budget: int
) -> _Paths:
    """Both runs from the first token in which they differ, behind keys and values of what they begin with."""
    start = min(pair.alike, pair.length - 1) if keeps_beginnings(loaded, pair.length) else 0
    whole = prefix_cache(loaded, pair.corrupt, 1) if start else None
    return _Paths(
        loaded,
        pair.corrupt[start:],
        beginning(whole, start, pair.length),
        both.after(start),
        giving,
        taking,
        metric,
        head_count(loaded.model),
        max(1, token_budget // (pair.length - start)),
    )


@dataclass(frozen=True)
class _Paths:
    """Both runs of a pair from the token in which they first differ.

    Attributes:
        rest: token ids from there on; their values count for nothing, since passes begin at a block's stream.
        before: keys and values of the tokens before.
        both: the runs, from there on.
        heads: of a block.
        size: rows of a pass, at most.
    """

    loaded: LoadedModel
    rest: tuple[int, ...]
    before: Any
    both: RunRecord
    giving: int
    taking: int
    metric: RefusalMetric
    heads: int
    size: int

    def entering(self, sender: Head) -> Float[Tensor, "column head_width"]:
        """What enters the output projection of the sender's block, with the sender as in the other run."""
        known = self.both.heads[sender.layer]
        changed, part = known[self.taking].clone(), self.part(known, sender.head)
        changed[:, part] = known[self.giving][:, part]
        return changed

    def writes(self, senders: Sequence[Head]) -> Float[Tensor, "sender column d_model"]:
        """By what each sender changes the stream."""
        blocks, found = decoder_blocks(self.loaded.model), []
        for one in senders:
            block = blocks[one.layer]
            written = output_projection(block)(self.entering(one))
            if block.post_norm:
                written = block.attention_write(written)
            found.append(written - self.both.attention[one.layer][self.taking])
        return torch.stack(found)

    def patched(self, senders: Sequence[Head], past_heads: list[dict[int, Tensor]] | None = None) -> list[float]:
        """Metric with each sender patched.

        Args:
            past_heads: attention of later blocks then adds what it added before, and the stream that enters each later block is
                kept here, sender by sender.
        """
        found = torch.empty(len(senders), dtype=torch.float64)
        for layer in sorted({one.layer for one in senders}):
            own = [index for index, one in enumerate(senders) if one.layer == layer]
            later = range(layer + 1, self.loaded.num_layers) if past_heads is not None else ()
            for chunk in _chunks(own, self.size):
                entering = torch.stack([self.entering(senders[index]) for index in chunk])
                into = [] if past_heads is None else [past_heads[index] for index in chunk]
                changes: dict[tuple[StreamSite, int], Change] = {}
                for block in later:
                    changes["attention_output", block] = _always(self.both.attention[block][self.taking])
                    changes["block_input", block] = _keeping(into, block)
                with modifying(self.loaded.model, changes):
                    found[chunk] = self.scored(layer, entering)
        return found.tolist()

    def received(self, layer: int, streams: Float[Tensor, "sender column d_model"]) -> list[list[float]]:
        """Metric by sender and head of a block, where that head alone reads the sender's stream."""
        known = self.both.heads[layer]
        read = torch.cat([self.read(layer, part) for part in streams.split(self.size)])
        asked = [(sender, head) for sender in range(len(streams)) for head in range(self.heads)]
        found = torch.empty(len(asked), dtype=torch.float64)
        for chunk in _chunks(range(len(asked)), self.size):
            entering = known[self.taking].repeat(len(chunk), 1, 1)
            for row, index in enumerate(chunk):
                sender, head = asked[index]
                part = self.part(known, head)
                entering[row, :, part] = read[sender, :, part]
            found[chunk] = self.scored(layer, entering)
        return found.view(len(streams), self.heads).tolist()

    def read(self, layer: int, streams: Float[Tensor, "row column d_model"]) -> Float[Tensor, "row column head_width"]:
        """What heads of a block make of these streams."""
        found: list[Tensor] = []

        def keep(_module: nn.Module, args: tuple) -> None:
            found.append(args[0])
            raise _Read

        handle = output_projection(decoder_blocks(self.loaded.model)[layer]).register_forward_pre_hook(keep)
        try:
            with starting_at(self.loaded.model, layer, streams):
                self.passed(len(streams))
        except _Read:
            pass
        finally:
            handle.remove()
        return found[0]

    def scored(self, layer: int, entering: Float[Tensor, "row column head_width"]) -> Float64[Tensor, " row"]:
        """Metric of passes from a block on, with this at its output projection."""
        rows = len(entering)
        stream = self.both.streams[layer][self.taking].repeat(rows, 1, 1)
        last = layer == self.loaded.num_layers - 1
        narrowed = nullcontext() if last else last_block_at(self.loaded.model, last_columns(self.tokens(rows), 1))
        with starting_at(self.loaded.model, layer, stream), _entering(self.loaded, layer, entering), narrowed:
            return self.metric(self.passed(rows))

    def part(self, known: Float[Tensor, "row column head_width"], head: int) -> slice:
        """Where a head's output lies in what enters the output projection."""
        width = known.shape[-1] // self.heads
        return slice(head * width, (head + 1) * width)

    def passed(self, rows: int) -> Float[Tensor, "row vocabulary"]:
        """Logits of the last token of a pass, as the caller's hooks make it."""
        cache = rows_of(self.before, slice(0, 1), rows)
        output = self.loaded.model(
            input_ids=self.tokens(rows), past_key_values=cache, use_cache=cache is not None, logits_to_keep=1
        )
        return output.logits[:, -1]

    def tokens(self, rows: int) -> Tensor:
        return torch.tensor([self.rest] * rows, device=self.loaded.device)


@contextmanager
def _entering(loaded: LoadedModel, layer: int, known: Float[Tensor, "row column head_width"]) -> Iterator[None]:
    projection = output_projection(decoder_blocks(loaded.model)[layer])
    handle = projection.register_forward_pre_hook(lambda _module, args: (known, *args[1:]))
    try:
        yield
    finally:
        handle.remove()


def _keeping(into: Sequence[dict[int, Tensor]], layer: int) -> Change:
    def keep(x: Tensor) -> Tensor:
        for row, streams in enumerate(into):
            streams[layer] = x[row]
        return x

    return keep


def _always(known: Float[Tensor, "column d_model"]) -> Change:
    return lambda x: known.expand_as(x)


def _chunks(items: Sequence[int], size: int) -> list[list[int]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
