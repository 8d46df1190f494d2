"""The cheap measure of the screen: whether the first token of an answer would be a refusal token."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.interventions.directions.shared_prefix import logits_after, prefix_cache, rows_of, split_prefix
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.rosi.stages.first_token_answers import NOTHING, Read
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

SIDES = ("harmful", "benign")


class Reader:
    """Asks a model for the first token of its answers to validation prompts, rendered as they will be evaluated.

    Prompts are taken in one random order (``selection.racing.seed``), the same for every edit.

    Attributes:
        counts: prompts of each side.
        groups: the group of each prompt, in that order.
    """

    def __init__(self, config: Config, subject: Subject, loaded: LoadedModel, tokens: RefusalTokensRecord) -> None:
        at, rendering = Layout(config.results), answer_rendering(config.evaluation, subject)
        self.loaded, self.tokens, self.budget = loaded, tokens["tokens"], config.extraction.token_budget
        self.prompts: dict[str, list[list[int]]] = {}
        self.groups: dict[str, np.ndarray] = {}
        for side, name in zip(SIDES, (config.extraction.harmful, config.extraction.harmless), strict=True):
            prompts = phase_prompts(at, subject, name, "select", config.selection.prompts)
            order = np.random.default_rng(config.selection.racing.seed).permutation(len(prompts))
            rendered = [[*ids, *tokens["common_prefix"]] for ids in render(loaded.tokenizer, list(prompts["prompt"]), rendering)]
            self.prompts[side] = [rendered[row] for row in order]
            self.groups[side] = prompts["group"].to_numpy(object)[order]
        self.counts = {side: len(self.prompts[side]) for side in SIDES}
        every = [ids for side in SIDES for ids in self.prompts[side]]
        self.prefix = split_prefix(loaded, every, [1] * len(every))[0]
        self.unedited = self.logits("benign", 0, self.counts["benign"], self.begun())

    @torch.no_grad()
    def begun(self) -> Any:
        """What the model as it is now keeps of the tokens that all prompts begin with, run once for all of them."""
        return prefix_cache(self.loaded, self.prefix, 1)

    @torch.no_grad()
    def logits(self, side: str, start: int, stop: int, begun: Any) -> Float[Tensor, "prompt vocabulary"]:
        """Next-token logits of some prompts of a side.

        Args:
            begun: as ``begun`` gives it, of the model as it is now.
        """
        length = len(self.prefix)
        rests = [ids[length:] for ids in self.prompts[side][start:stop]]
        rows: list[int] = []
        found: list[torch.Tensor] = []
        for batch in batches(rests, self.budget, self.loaded.pad_token_id, self.loaded.device):
            rows += batch.rows
            cache = rows_of(begun, slice(0, 1), len(batch.rows))
            found.append(logits_after(self.loaded, cache, length, batch, 1)[:, -1])
        return torch.cat(found)[torch.tensor(rows).argsort()]

    def read(self, share: float = 1.0, so_far: Read = NOTHING) -> Read:
        """What the model as it is now does with a share of each side's prompts; those asked before are not asked again."""
        upto = {side: max(len(getattr(so_far, side)), round(share * self.counts[side])) for side in SIDES}
        metrics, divergence, begun = {}, so_far.benign_kl, self.begun()
        for side in SIDES:
            known = getattr(so_far, side)
            metrics[side] = known
            if upto[side] > len(known):
                logits = self.logits(side, len(known), upto[side], begun)
                metrics[side] = np.concatenate([known, _array(refusal_metric(logits, self.tokens, 0.0))])
                if side == "benign":
                    more = kl_divergence(self.unedited[len(known) : upto[side]], logits)
                    divergence = np.concatenate([divergence, _array(more)])
        return Read(metrics["harmful"], metrics["benign"], divergence)


def _array(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
