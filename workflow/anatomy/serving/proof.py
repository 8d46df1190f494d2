"""Proof that an engine whose weights were changed is again what it was: probe prompts and checksums of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

PROBES = (8, 64, 300, 320)
"""Lengths of the probe prompts in tokens: the long ones span several cache blocks, where a stale cache shows."""

TOLERANCE = {"cpu": 0.0, "cuda": 1e-3}
"""Largest difference in nats before and after: none where the same kernels run on the same numbers in the same order; on a
GPU, where sums may be taken in another order, the parameters themselves are compared."""

CHUNK = 2**22
"""Elements summed at once."""


@dataclass(frozen=True)
class Fingerprint:
    """What an engine answers to the probes, and what its parameters sum up to.

    Attributes:
        logprobs: of every token of every probe after the first, nats, without the prefix cache.
        cached: log-probabilities of the most likely next tokens after each probe, through the prefix cache.
        parameters: checksums by name; the CPU backend keeps most matrices packed, out of reach.
    """

    logprobs: list[list[float]]
    cached: list[dict[int, float]]
    parameters: dict[str, tuple[int, int]]

    def differs(self, other: Fingerprint, tolerance: float) -> str:
        """What differs, in words; empty where nothing does."""
        changed = sorted(
            name
            for name in self.parameters.keys() | other.parameters.keys()
            if self.parameters.get(name) != other.parameters.get(name)
        )
        if changed:
            return f"{len(changed)} parameters, such as {changed[0]}"
        for what, own, others in (
            ("log-probabilities", self._rows(), other._rows()),
            ("log-probabilities through the prefix cache", self.cached, other.cached),
        ):
            if any(set(one) != set(two) for one, two in zip(own, others, strict=True)) and tolerance == 0:
                return what
            gap = max(
                (abs(one[key] - two[key]) for one, two in zip(own, others, strict=True) for key in one.keys() & two.keys()),
                default=float("inf"),
            )
            if not gap <= tolerance:  # NaN differs
                return f"{what} by up to {gap:.3g} nats"
        return ""

    def _rows(self) -> list[dict[int, float]]:
        return [dict(enumerate(row)) for row in self.logprobs]


def probe_prompts(vocabulary: int, max_model_len: int) -> list[list[int]]:
    """Fixed prompts of random tokens, cut to what the engine has room for."""
    import random

    draw = random.Random(0)
    return [[draw.randrange(vocabulary) for _ in range(min(length, max_model_len - 1))] for length in PROBES]


Ask = Callable[[list[list[int]], list[Any]], list[Any]]
"""Prompts and sampling parameters to vLLM's outputs."""


def next_tokens(ask: Ask, prompts: list[list[int]]) -> list[dict[int, float]]:
    """The most likely next tokens of each probe; reads the prefix cache, and leaves the probe in it."""
    from vllm import SamplingParams

    parameters = SamplingParams(temperature=0, max_tokens=1, detokenize=False, logprobs=5)
    return [
        {token: one.logprob for token, one in output.outputs[0].logprobs[0].items()}
        for output in ask(prompts, [parameters] * len(prompts))
    ]


def cached_tokens(ask: Ask, prompt: list[int]) -> int:
    """Tokens of a prompt whose keys and values came from the prefix cache; asking leaves the prompt in it."""
    from vllm import SamplingParams

    return ask([prompt], [SamplingParams(temperature=0, max_tokens=1, detokenize=False)])[0].num_cached_tokens or 0


def take_fingerprint(ask: Ask, prompts: list[list[int]], apply_model: Callable[[Callable[[Any], Any]], list[Any]]) -> Fingerprint:
    """Ask the probes, one at a time so that nothing depends on who shares a batch, and sum the parameters."""
    from vllm import SamplingParams

    parameters = SamplingParams(temperature=0, max_tokens=1, detokenize=False, prompt_logprobs=0, skip_reading_prefix_cache=True)
    logprobs = []
    for ids in prompts:
        (output,) = ask([ids], [parameters])
        logprobs.append([row[token].logprob for row, token in zip(output.prompt_logprobs[1:], ids[1:], strict=True)])
    cached = [row for ids in prompts for row in next_tokens(ask, [ids])]
    return Fingerprint(logprobs, cached, apply_model(checksums)[0])


def checksums(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Two sums of the bits of every parameter that holds numbers: plain, and weighted by place, in wrapping int64."""
    import torch

    views = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    found = {}
    for name, parameter in model.named_parameters():
        if not parameter.numel() or parameter.is_meta:
            continue
        bits = parameter.detach().contiguous().view(-1).view(views[parameter.element_size()])
        plain = weighted = 0
        for start in range(0, bits.numel(), CHUNK):
            part = bits[start : start + CHUNK].long()
            place = torch.arange(start, start + part.numel(), device=part.device) % 65521 + 1
            plain, weighted = plain + int(part.sum()), weighted + int((part * place).sum())
        found[name] = plain, weighted
    return found
