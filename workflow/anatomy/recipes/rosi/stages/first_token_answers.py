"""What a model answers with its first token, as numbers, and how they change under an edit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

PINS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """What a model as it is in memory does with the prompts that it was asked so far, in the order in which they are taken.

    Attributes:
        harmful, benign: refusal metric of each prompt, in log-odds; above 0 it is refused.
        benign_kl: divergence of the first prediction from the unedited model's on each benign prompt, in nats.
    """

    harmful: Float64[np.ndarray, " harmful_prompt"]
    benign: Float64[np.ndarray, " benign_prompt"]
    benign_kl: Float64[np.ndarray, " benign_prompt"]

    def first(self, harmful: int, benign: int) -> Read:
        """The same of the first so many prompts of each side."""
        return Read(self.harmful[:harmful], self.benign[:benign], self.benign_kl[:benign])

    def rises(self, base: Read) -> tuple[Float64[np.ndarray, " prompt"], Float64[np.ndarray, " other_prompt"]]:
        """Per-prompt changes in refusal against the unedited model, of harmful and of benign prompts that this one was asked."""
        before = base.first(len(self.harmful), len(self.benign))
        return _refused(self.harmful) - _refused(before.harmful), _refused(self.benign) - _refused(before.benign)


def _refused(metric: Float64[np.ndarray, " prompt"]) -> Float64[np.ndarray, " prompt"]:
    return (metric > 0).astype(np.float64)


NOTHING = Read(np.empty(0), np.empty(0), np.empty(0))
"""Before anything was asked."""
