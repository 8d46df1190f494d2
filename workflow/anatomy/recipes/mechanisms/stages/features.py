"""Features of one layer, as tables: fidelity, the features nearest to directions, their cards, and what steering by them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.final_norm import read_by_head
from anatomy.interventions.instruments.logit_lens import last_streams
from anatomy.interventions.instruments.sparse_autoencoder import SparseAutoencoder
from anatomy.interventions.instruments.steering import dose_response
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.mechanisms.stages.looked import EXACT, Looked

NEAREST = 3
"""Features that are named of each direction."""
TELLING = 5
"""Features that are described because they fire most differently on the two kinds of prompt."""
TOKENS = 8
"""Tokens on a card."""


@dataclass(frozen=True)
class Texts:
    """Prompts with the model's answers, as token ids.

    Attributes:
        table: rows with ``id``, ``group`` and ``label``.
        tokens: what the model reads of each.
        begins: at which of its tokens each answer begins.
    """

    table: pd.DataFrame
    tokens: list[list[int]]
    begins: list[int]

    @property
    def ids(self) -> list[str]:
        return list(self.table["id"])


def nearest_features(coder: SparseAutoencoder, directions: Mapping[str, Float[Tensor, " d_model"]], seed: int) -> pd.DataFrame:
    """Features whose decoder rows lie nearest to each direction.

    Returns:
        Columns ``direction, feature, rank, cosine, chance``; ``chance``: the largest cosine of as many random vectors.
    """
    rows, width = torch.nn.functional.normalize(coder.decoder, dim=1), coder.decoder.shape[1]
    drawn = torch.randn(len(rows), width, generator=torch.Generator().manual_seed(seed))
    drawn = torch.nn.functional.normalize(drawn, dim=1)
    found = []
    for name, direction in directions.items():
        unit = torch.nn.functional.normalize(direction.float(), dim=0)
        cosines, chance = rows @ unit, (drawn @ unit).max().item()
        best = cosines.topk(min(NEAREST, len(cosines)))
        for rank, (value, feature) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True), 1):
            found.append((name, feature, rank, value, chance))
    return pd.DataFrame(found, columns=["direction", "feature", "rank", "cosine", "chance"])


@torch.no_grad()
def feature_cards(
    loaded: LoadedModel,
    coder: SparseAutoencoder,
    streams: Sequence[Float[Tensor, "token d_model"]],
    tokens: Sequence[Sequence[int]],
    last: Mapping[str, Float[Tensor, "prompt d_model"]],
    nearest: pd.DataFrame,
) -> pd.DataFrame:
    """A card for every feature that is nearest to a direction, and for those that tell the two kinds of prompt apart most.

    Single tokens are shown and never the texts they stand in, which may be harmful ones.

    Args:
        streams, tokens: of texts, the first token of each left out of the streams.
        last: streams at the last token of prompts of each kind.

    Returns:
        Columns ``feature, nearest, cosine, density, strength, harmful, harmless, by_lens, by_activation``: share of tokens on
        which it fires, mean strength where it does, mean strength at the last token of each kind of prompt, tokens that its
        decoder row raises most, and tokens on which it fires most strongly on average.
    """
    fired = coder.encode(torch.cat(list(streams)))
    means = {side: coder.encode(x).mean(0) for side, x in last.items()}
    telling = (means["harmful"] - means["harmless"]).abs().topk(min(TELLING, len(coder.decoder))).indices.tolist()
    named = nearest.sort_values("cosine", ascending=False).drop_duplicates("feature").set_index("feature")
    read = np.concatenate([np.asarray(row[1:]) for row in tokens])
    chosen = list(dict.fromkeys([*nearest.loc[nearest["rank"] == 1, "feature"], *telling, *nearest["feature"]]))
    raised = read_by_head(loaded, coder.decoder[chosen]).topk(TOKENS, dim=-1).indices.tolist()
    rows = []
    for feature, best in zip(chosen, raised, strict=True):
        own = fired[:, feature]
        near = named.loc[feature] if feature in named.index else None
        rows.append(
            {
                "feature": feature,
                "nearest": "" if near is None else near["direction"],
                "cosine": np.nan if near is None else near["cosine"],
                "density": (own > 0).double().mean().item(),
                "strength": own[own > 0].mean().item() if (own > 0).any() else 0.0,
                "harmful": means["harmful"][feature].item(),
                "harmless": means["harmless"][feature].item(),
                "by_lens": _words(loaded, best),
                "by_activation": _words(loaded, _strongest(read, own.numpy())),
            }
        )
    return pd.DataFrame(rows)


def _strongest(read: np.ndarray, strength: np.ndarray) -> list[int]:
    means = pd.Series(strength).groupby(read).mean()
    return [int(token) for token in means[means > 0].nlargest(TOKENS).index]


def _words(loaded: LoadedModel, tokens: Sequence[int]) -> str:
    return " | ".join(loaded.tokenizer.decode([token]).strip() or repr(loaded.tokenizer.decode([token])) for token in tokens)


def steered_by_features(
    config: Config,
    loaded: LoadedModel,
    coder: SparseAutoencoder,
    layer: int,
    aligned: int,
    alive: Sequence[int],
    unit: Float[Tensor, " d_model"],
    fit: Mapping[str, Looked],
    test: Mapping[str, Looked],
    tokens: Sequence[int],
) -> pd.DataFrame:
    """One dose of the direction, of the feature nearest to it and of living features drawn at random, all of the same length.

    Returns:
        Columns ``id, metric, kl, side, kind, feature, dose, group``. ``kind``: ``direction``, ``nearest``, ``random``; harmless
        prompts get the dose +1 and harmful ones -1; a row of dose 0 a prompt.
    """
    wanted, budget = config.mechanisms, config.extraction.token_budget
    means = [last_streams(loaded, one.tokens, budget, one.ids)[layer].double().mean(0) for one in fit.values()]
    length = ((means[0] - means[1]) @ unit.double().cpu()).abs().item()
    options = wanted.features
    others = [feature for feature in alive if feature != aligned]
    drawn = np.random.default_rng(wanted.seed).permutation(others)[: options.random].tolist()
    steering = [("direction", -1, unit), ("nearest", aligned, coder.decoder[aligned])]
    steering += [("random", feature, coder.decoder[feature]) for feature in drawn]
    metric, parts = RefusalMetric(tuple(tokens), EXACT), []
    for kind, feature, vector in counted(steering, "features steered by", len(steering)):
        along = torch.nn.functional.normalize(vector.float(), dim=0)
        for side, sign in (("harmful", -1.0), ("harmless", 1.0)):
            looked = test[side]
            rows = slice(0, options.steered)
            doses = [0.0, sign] if kind == "direction" else [sign]
            found = dose_response(loaded, looked.tokens[rows], looked.ids[rows], along, layer, doses, metric, budget, length)
            groups = dict(zip(looked.table["id"], looked.table["group"], strict=True))
            parts.append(found.assign(side=side, kind=kind, feature=feature, group=found["id"].map(groups)))
    return pd.concat(parts, ignore_index=True)
