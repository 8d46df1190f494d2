"""What the search for a direction passes through a model: its candidates and those of its controls."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from anatomy.config.methods import Selection
from anatomy.costs.lengths import Lengths

GROUPS = 5
"""Groups of prompts of like length that a batch of candidates is read with: requests differ by a factor of two or so, and a batch
ends before a prompt a tenth shorter than its longest."""

CARRIED_ON = 1 / 3
"""Candidates of a race that are scored on all prompts, in whole ones' worth: three times those of a measured pick.
Where no candidate is within the limits, races over recorded scores of two real models took .12 to .29 of all tokens, this
estimate .36 (32 prompts a side)."""


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

        For a race this is an upper estimate: all candidates on the first prompts, and a share (``CARRIED_ON``) to the end.
        """
        scored = self._scored(selection, self.cells, self.harmful, self.harmless, divergence)
        if selection.search == "racing":
            first, far = selection.racing.first_prompts, ceil(CARRIED_ON * self.tried(selection))
            begun = self._scored(
                selection, self.tried(selection), min(first, self.harmful), min(first, self.harmless), divergence
            )
            scored = min(scored, begun + self._scored(selection, far, self.harmful, self.harmless, divergence))
        own, shared = self.lengths.tokens - self.lengths.shared, self.lengths.shared
        return round(scored + divergence * (2 * shared + (self.harmful + self.harmless) * own))

    def tried(self, selection: Selection) -> int:
        """Candidates of a race: those of the layers that the selection allows."""
        return self.lengths.positions * max(1, min(self.layers, int(selection.layer_share * self.layers)) - 1)

    def _scored(self, selection: Selection, cells: int, harmful: int, harmless: int, divergence: bool) -> float:
        """Tokens of scoring so many candidates on so many prompts."""
        own, shared = self.lengths.tokens - self.lengths.shared, self.lengths.shared
        forced = own + selection.kl_tokens - 1
        above = (self.layers / 2) / max(1, self.layers)
        bypass = cells * (shared + harmful * own)
        induce = cells * above * (min(harmless, GROUPS) * shared + harmless * own)
        if not divergence:
            return bypass + induce
        together = max(1, self.token_budget // max(1, round(shared)))
        plain = ceil(cells / together) * harmless * forced
        return bypass + induce + cells * (shared + harmless * forced) + plain

    def predictions(self, selection: Selection, divergence: bool = True) -> int:
        """Rows of logits, at most."""
        return self.cells * (self.harmful + self.harmless + (selection.kl_tokens * self.harmless if divergence else 0))
