"""What the search for a direction passes through a model: its candidates and those of its controls."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from anatomy.config.methods import Selection
from anatomy.costs.lengths import Lengths

GROUPS = 5
"""Groups of prompts of like length that a batch of candidates is read with: requests differ by a factor of two or so, and a batch
ends before a prompt a tenth shorter than its longest."""


@dataclass(frozen=True)
class Grid:
    """A grid of candidates: every position, every layer but the first, whose input is the template's own embedding.

    Attributes:
        lengths: of the prompts under the contrast.
        harmful, harmless: validation prompts of each side.
        layers: blocks of the model.
        token_budget: most tokens a batch.
    """

    lengths: Lengths
    harmful: int
    harmless: int
    layers: int
    token_budget: int

    @property
    def cells(self) -> int:
        """Candidates."""
        return self.lengths.positions * max(1, self.layers - 1)

    def reads(self, selection: Selection, divergence: bool = True) -> int:
        """Tokens through all blocks: each candidate ablated on harmful prompts and, for the divergence, on harmless ones with
        their answers, where what all prompts begin with runs once a candidate; and added on harmless ones, from its own layer on
        (``anatomy.interventions.directions``). The grid of the model's own direction reads each prompt once more, for
        projections.
        """
        own, shared = self.lengths.tokens - self.lengths.shared, self.lengths.shared
        forced = own + selection.kl_tokens - 1
        above = (self.layers / 2) / max(1, self.layers)
        groups = min(self.harmless, GROUPS)
        bypass = self.cells * (shared + self.harmful * own)
        induce = self.cells * above * (groups * shared + self.harmless * own)
        if not divergence:
            return round(bypass + induce)
        together = max(1, self.token_budget // max(1, round(shared)))
        plain = ceil(self.cells / together) * self.harmless * forced
        kl = self.cells * (shared + self.harmless * forced) + plain
        return round(bypass + kl + induce + (self.harmful + self.harmless) * self.lengths.tokens)

    def predictions(self, selection: Selection, divergence: bool = True) -> int:
        """Rows of logits."""
        return self.cells * (self.harmful + self.harmless + (selection.kl_tokens * self.harmless if divergence else 0))
