"""The cheap measure of the screen: whether the first token of an answer would be a refusal token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


@dataclass(frozen=True)
class Read:
    """What one pass says of the model as it is in memory; a prompt is refused where its metric is above 0.

    Attributes:
        harmful_metric: mean over harmful prompts.
        harmful, benign: whether each prompt is refused.
        benign_kl: mean divergence of the first prediction from the unedited model's, in nats.
    """

    harmful_metric: float
    harmful: np.ndarray
    benign: np.ndarray
    benign_kl: float


class Reader:
    """Reads the refusal metric of harmful and harmless validation prompts, rendered as they will be evaluated."""

    def __init__(self, config: Config, subject: Subject, loaded: LoadedModel, tokens: RefusalTokensRecord) -> None:
        at, rendering = Layout(config.results), answer_rendering(config.evaluation, subject)
        self.loaded, self.tokens = loaded, tokens["tokens"]
        self.batches: dict[str, list[PromptBatch]] = {}
        self.groups: dict[str, np.ndarray] = {}
        for side, name in (("harmful", config.extraction.harmful), ("benign", config.extraction.harmless)):
            prompts = phase_prompts(at, subject, name, "select", config.selection.prompts)
            rendered = [[*ids, *tokens["common_prefix"]] for ids in render(loaded.tokenizer, list(prompts["prompt"]), rendering)]
            self.batches[side] = list(batches(rendered, config.extraction.token_budget, loaded.pad_token_id, loaded.device))
            order = [row for batch in self.batches[side] for row in batch.rows]
            self.groups[side] = prompts["group"].to_numpy(object)[order]
        self.unedited = self.logits("benign")

    @torch.no_grad()
    def logits(self, side: str) -> torch.Tensor:
        """Next-token logits [prompt, vocabulary] of one side, in batch order."""
        return torch.cat(
            [self.loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1] for batch in self.batches[side]]
        )

    def read(self) -> Read:
        """The screen's numbers for the model as it is now in memory."""
        benign = self.logits("benign")
        harmful_metric, benign_metric = (refusal_metric(logits, self.tokens, 0.0) for logits in (self.logits("harmful"), benign))
        return Read(
            harmful_metric.mean().item(),
            (harmful_metric > 0).double().cpu().numpy(),
            (benign_metric > 0).double().cpu().numpy(),
            kl_divergence(self.unedited, benign).mean().item(),
        )
