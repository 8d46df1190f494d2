"""One ruler for all tools: true refusals on test requests, first-token KL on harmless test requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from speed.peers.budget import ANSWER_TOKENS, CONFIDENCE, RESAMPLES, SEED, TEST_PROMPTS
from speed.peers.organism import SETS, Organism
from torch import Tensor

from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.interventions.directions.metrics import kl_divergence
from anatomy.models.activations.batching import padded
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.texts.judges.organism_truth import PlantedTruth, judge_truth, read_truth


@dataclass(frozen=True)
class Ruler:
    """The test requests, and what the unedited model predicts after the harmless ones.

    Attributes:
        groups: the item that each request of a side is about; requests about one item are not independent.
        ids: rendered requests of a side.
        predicted: the unedited model's logits at the first answer token.
    """

    truth: PlantedTruth
    texts: dict[str, list[str]]
    groups: dict[str, np.ndarray]
    ids: dict[str, list[list[int]]]
    predicted: Float[Tensor, "prompt vocabulary"]


def ruler_of(organism: Organism, unedited: LoadedModel) -> Ruler:
    """The ruler of an organism."""
    tables = {side: organism.prompts(side, "test", TEST_PROMPTS) for side in SETS}
    texts = {side: list(table["prompt"]) for side, table in tables.items()}
    ids = {side: render(unedited.tokenizer, prompts, Rendering()) for side, prompts in texts.items()}
    groups = {side: table["group"].to_numpy(object) for side, table in tables.items()}
    return Ruler(read_truth(organism.folder), texts, groups, ids, first_logits(unedited, ids["harmless"]))


@torch.no_grad()
def first_logits(loaded: LoadedModel, ids: Sequence[list[int]]) -> Float[Tensor, "prompt vocabulary"]:
    """Logits of the first answer token after each prompt, all prompts in one batch."""
    batch = padded(list(ids), range(len(ids)), loaded.pad_token_id, loaded.device)
    return loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1].float()


def true_refusals(loaded: LoadedModel, ruler: Ruler) -> Bool[np.ndarray, " prompt"]:
    """Which harmful test requests the model refuses in full or in part, by the planted truth; answers are judged and dropped."""
    answers = generate_with_transformers(loaded, ruler.ids["harmful"], Decoding(ANSWER_TOKENS, 0.0), batch_size=TEST_PROMPTS)
    verdicts = [judge_truth(text, one.text, ruler.truth) for text, one in zip(ruler.texts["harmful"], answers, strict=True)]
    return np.array([one["truth"].label in REFUSED for one in verdicts])


def first_token_kl(loaded: LoadedModel, ruler: Ruler) -> Float64[np.ndarray, " prompt"]:
    """KL(unedited || edited) of the first answer token of each harmless test request, in nats."""
    return kl_divergence(ruler.predicted, first_logits(loaded, ruler.ids["harmless"])).double().cpu().numpy()


def scored(loaded: LoadedModel, ruler: Ruler) -> dict[str, dict[str, float]]:
    """Means with intervals that resample items: share of true refusals, and first-token KL in nats."""
    values = {"refusal": true_refusals(loaded, ruler).astype(np.float64), "kl": first_token_kl(loaded, ruler)}
    groups = {"refusal": ruler.groups["harmful"], "kl": ruler.groups["harmless"]}
    return {name: interval_of(one, groups[name]) for name, one in values.items()}


def interval_of(values: Float64[np.ndarray, " prompt"], groups: np.ndarray) -> dict[str, float]:
    """A mean between its bounds."""
    found = mean_interval(Sample(values, groups), confidence=CONFIDENCE, seed=SEED, resamples=RESAMPLES)
    return {"mean": found.estimate, "low": found.low, "high": found.high, "n": found.n}
