"""How intervals of claims are computed."""

from dataclasses import dataclass
from typing import TypedDict


class ResamplingOptions(TypedDict):
    """Keyword arguments of functions that resample."""

    confidence: float
    seed: int
    resamples: int


@dataclass(frozen=True)
class Resampling:
    """How intervals are computed: confidence (0.95 for 95 %), seed, number of resamples."""

    confidence: float
    seed: int
    resamples: int

    @property
    def options(self) -> ResamplingOptions:
        """As keyword arguments."""
        return {"confidence": self.confidence, "seed": self.seed, "resamples": self.resamples}
