"""Completions from the transformers module itself: the reference for the engine, and the backend of hook edits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from anatomy.errors import ConfigError
from anatomy.models.activations.interventions import intervening
from anatomy.models.loading import LoadedModel
from anatomy.models.preflight.context import require_lengths
from anatomy.progress.counting import Progress, counted
from anatomy.serving.completions import Request, in_order
from anatomy.serving.decoding import Decoding, FinishReason, Generation, check_seeds, finished, stops
from anatomy.serving.next_tokens import next_tokens


def generate_with_transformers(
    loaded: LoadedModel,
    token_ids: Sequence[list[int]],
    decoding: Decoding,
    *,
    batch_size: int,
    seeds: Sequence[int] | None = None,
    intervention: AbstractContextManager[Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Generation]:
    """Completions in the order of the prompts (see ``stream_with_transformers``)."""
    own = [None] * len(token_ids) if seeds is None else seeds
    requests = [Request(ids, seed) for ids, seed in zip(token_ids, own, strict=True)]
    shards = stream_with_transformers(loaded, requests, decoding, batch_size=batch_size, intervention=intervention, say=say)
    return in_order(shards, len(requests))


def stream_with_transformers(
    loaded: LoadedModel,
    requests: Sequence[Request],
    decoding: Decoding,
    *,
    batch_size: int,
    intervention: AbstractContextManager[Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[tuple[list[int], list[Generation]]]:
    """Complete prompts batch by batch, longest first so that a batch holds prompts of like length.

    Args:
        requests: prompts of the model as it is in memory, with interventions or without; a batch holds requests of the
            same ones. Adapters are the engine's business.
        batch_size: prompts a batch; a batch is a shard.
        intervention: entered once around all batches, such as hooks on the module.
        say: receives a line with rate and remaining time after each batch.

    Yields:
        ``(places, generations)``: positions in ``requests`` and their completions.

    Raises:
        ConfigError: a request names an adapter, or sampling without seeds.
        DataError: a prompt and its answer are longer than the model's context, before the first one is answered.
        NumericsError: logits are NaN or infinite.
    """
    if any(request.adapter is not None for request in requests):
        raise ConfigError(
            found="an adapter",
            expected="base requests",
            where="generation with transformers",
            remedy="apply the edit to the loaded model, or ask the engine",
        )
    check_seeds(decoding, [request.seed for request in requests], "generation with transformers")
    require_lengths(
        [request.token_ids for request in requests],
        decoding.max_new_tokens,
        getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None),
        str(loaded.folder),
    )
    with intervention or nullcontext(), Progress("answers", len(requests), say) as progress:
        for places in _batches(requests, batch_size):
            asked = requests[places[0]].interventions
            with progress.part(len(places)), intervening(loaded.model, asked) if asked else nullcontext():
                generations = _complete(loaded, [requests[place] for place in places], decoding)
                progress.tokens += sum(len(generation.token_ids) for generation in generations)
            yield places, generations


def _batches(requests: Sequence[Request], size: int) -> Iterator[list[int]]:
    """Positions of requests, batch by batch, longest first among those of the same interventions."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, request in enumerate(requests):
        alike.setdefault(tuple(map(id, request.interventions)), []).append(place)
    for places in alike.values():
        places.sort(key=lambda place: -len(requests[place].token_ids))
        yield from (places[start : start + size] for start in range(0, len(places), size))


@torch.inference_mode()
def _complete(loaded: LoadedModel, requests: list[Request], decoding: Decoding) -> list[Generation]:
    """One left-padded batch, decoded token by token with a key-value cache."""
    ends = end_tokens(loaded)
    generators = [None if decoding.greedy else torch.Generator().manual_seed(request.seed) for request in requests]
    tokens, mask = left_padded([request.token_ids for request in requests], loaded.pad_token_id)
    tokens, mask = tokens.to(loaded.device), mask.to(loaded.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in requests]
    reasons: list[FinishReason | None] = [None for _ in requests]
    cache = None
    for _ in counted(range(decoding.max_new_tokens), "tokens of each", decoding.max_new_tokens):
        output = loaded.model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        cache = output.past_key_values
        chosen = next_tokens(output.logits[:, -1].float(), decoding, generators)
        for row, token in enumerate(chosen.tolist()):
            if reasons[row]:
                continue
            written[row].append(token)
            if token in ends or (decoding.stop and stops(written[row], loaded.tokenizer, decoding.stop)):
                reasons[row] = "stop"
        if all(reasons):
            break
        tokens = chosen[:, None].to(loaded.device)
        mask = torch.cat([mask, mask.new_ones(len(requests), 1)], dim=1)
        positions = positions[:, -1:] + 1
    return [
        finished(ids, reason or "length", loaded.tokenizer, decoding.stop) for ids, reason in zip(written, reasons, strict=True)
    ]


def end_tokens(loaded: LoadedModel) -> set[int]:
    """Tokens that end a completion: the tokenizer's and those of the model's generation settings."""
    declared = loaded.model.generation_config.eos_token_id
    listed = declared if isinstance(declared, list) else [declared]
    return {token for token in [*listed, loaded.tokenizer.eos_token_id] if token is not None}


def left_padded(prompts: Sequence[list[int]], pad: int) -> tuple[Int[Tensor, "prompt token"], Int[Tensor, "prompt token"]]:
    """Token ids and attention mask (1 where there is a prompt), the prompts' last tokens aligned."""
    longest = max(map(len, prompts))
    tokens = torch.full((len(prompts), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, ids in enumerate(prompts):
        tokens[row, longest - len(ids) :] = torch.tensor(ids)
        mask[row, longest - len(ids) :] = 1
    return tokens, mask
