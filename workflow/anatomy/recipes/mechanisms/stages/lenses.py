"""What both lenses read of refusal, opener and answer tokens at every layer of test prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.interventions.instruments.logit_lens import last_streams, lens_table, likeliest
from anatomy.interventions.instruments.opener_tokens import derive_openers
from anatomy.interventions.instruments.tuned_lens import LensTraining, TunedLens, train_lens
from anatomy.models.loading import LoadedModel
from anatomy.recipes.mechanisms.stages.looked import EXACT, Looked

ByLayer = Float[Tensor, "layer prompt d_model"]


def lenses(
    config: Config,
    loaded: LoadedModel,
    fit: Mapping[str, Looked],
    last: Mapping[str, ByLayer],
    test: Mapping[str, Looked],
    tokens: list[int],
    say: Callable[[str], None],
) -> dict[str, pd.DataFrame]:
    """Tables ``lens`` and ``lens_tokens``. Maps of the tuned lens learn on fit, where openers are taken from too.

    Args:
        last: streams of fit at the last token.
        tokens: refusal tokens.

    Returns:
        ``lens``: as ``lens_table``, with ``side`` and ``group``. ``lens_tokens``: columns ``kind, token, text, share``, tokens
        that are looked for in all prompts; ``share`` of the answers to harmless prompts of fit that an opener begins.
    """
    wanted, budget = config.mechanisms, config.extraction.token_budget
    openers = derive_openers(likeliest(loaded, last["harmless"][-1]), tokens, config.selection.token_refusal_share)
    vocabulary = loaded.model.get_output_embeddings().weight.shape[0]
    others = np.setdiff1d(np.arange(vocabulary), [*tokens, *openers])
    drawn = np.random.default_rng(wanted.seed).choice(others, size=min(len(tokens), len(others)), replace=False).tolist()
    maps: list[TunedLens | None] = [None]
    if wanted.lens is not None:
        maps.append(_tuned(config, loaded, fit, last, say))
    parts = []
    for side, looked in test.items():
        streams = last_streams(loaded, looked.tokens, budget, looked.ids)
        groups = dict(zip(looked.table["id"], looked.table["group"], strict=True))
        for lens in maps:
            rows = lens_table(loaded, streams, looked.ids, tokens, drawn, EXACT, lens, list(openers))
            parts.append(rows.assign(side=side, group=rows["id"].map(groups)))
    kinds = {"refusal": dict.fromkeys(tokens, np.nan), "opener": openers, "random": dict.fromkeys(drawn, np.nan)}
    read = [
        (kind, token, repr(loaded.tokenizer.decode([token])), share)
        for kind, shares in kinds.items()
        for token, share in shares.items()
    ]
    return {
        "lens": pd.concat(parts, ignore_index=True),
        "lens_tokens": pd.DataFrame(read, columns=["kind", "token", "text", "share"]),
    }


def _tuned(
    config: Config, loaded: LoadedModel, fit: Mapping[str, Looked], last: Mapping[str, ByLayer], say: Callable[[str], None]
) -> TunedLens:
    """Maps that learn on all of fit but the groups that are held out."""
    wanted = config.mechanisms
    groups = np.concatenate([side.table["group"].to_numpy(object) for side in fit.values()])
    names = np.unique(groups)
    held = np.random.default_rng(wanted.seed).permutation(names)[: max(1, round(wanted.lens.held_out * len(names)))]
    streams, options = torch.cat([last[side] for side in fit], dim=1), wanted.lens
    training = LensTraining(options.learning_rate, options.epochs, options.patience, options.batch, wanted.seed)
    return train_lens(loaded, streams, torch.tensor(np.isin(groups, held)), training, say)
