"""What training moved: tokens of a model's own answers on which its base says otherwise, and blocks that refusal was put into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.interventions.instruments.transplant import transplants
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.recipes.mechanisms.prompts_read import SIDES, set_read
from anatomy.recipes.mechanisms.stages.looking import EXACT, Looked
from anatomy.recipes.superficial.stages.words import kind_of
from anatomy.stages.rendering import answer_rendering

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
"""A word of letters and digits, with its apostrophes."""


@torch.no_grad()
def moved_tokens(config: Config, subject: Subject, loaded: LoadedModel, base: LoadedModel, answers: pd.DataFrame) -> pd.DataFrame:
    """Each token of the model's own answers to prompts of select, as its base would have said it after the same tokens.

    A base has never seen its aligned model's template, and may begin otherwise for that alone: both models read the same answers
    once more after the bare prompts, which are new to neither.

    Args:
        answers: the model's completions.

    Returns:
        Columns ``id, group, side, wording, position, kind, kl, agrees``: ``template`` or ``plain``, kind of the word that the
        token is part of, KL(model || base) in nats, and whether both find the same token likeliest. No text is kept.
    """
    wanted, parts = config.mechanisms, []
    own = answer_rendering(config.evaluation, subject)
    wordings = {"template": own, "plain": Rendering(template=False)} if own.template else {"plain": own}
    for side in SIDES:
        rows = answers[(answers["phase"] == "select") & (answers["set"] == set_read(config, side, "fit"))]
        rows = rows[rows["response"].fillna("").str.strip() != ""].head(wanted.prompts)
        encoded = [loaded.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in rows["response"]]
        said = [list(one["input_ids"]) for one in encoded]
        kinds = [kinds_of(text, one["offset_mapping"]) for text, one in zip(rows["response"], encoded, strict=True)]
        for wording, rendering in wordings.items():
            prompts = render(loaded.tokenizer, list(rows["prompt"]), rendering)
            for found in _beside_base(config, loaded, base, prompts, said):
                row = found.pop("row")
                about = {"id": rows["id"].iloc[row], "group": rows["group"].iloc[row], "side": side, "wording": wording}
                parts.append(pd.DataFrame({**found, "kind": kinds[row]}).assign(**about))
    columns = ["id", "group", "side", "wording", "position", "kind", "kl", "agrees"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _beside_base(
    config: Config, loaded: LoadedModel, base: LoadedModel, prompts: Sequence[list[int]], said: Sequence[list[int]]
) -> Iterator[dict[str, Any]]:
    """What both models find of each answer: its ``row``, and ``position, kl, agrees`` of its tokens."""
    tokens = [[*prompt, *answer] for prompt, answer in zip(prompts, said, strict=True)]
    for batch in batches(tokens, config.extraction.token_budget, loaded.pad_token_id, loaded.device):
        keep = max(len(said[row]) for row in batch.rows) + 1
        ours = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits
        theirs = base.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits.to(ours.device)
        for place, row in enumerate(batch.rows):
            one, other = (logits[place, -len(said[row]) - 1 : -1] for logits in (ours, theirs))
            yield {
                "row": row,
                "position": range(len(said[row])),
                "kl": kl_divergence(one, other).cpu().numpy(),
                "agrees": (one.argmax(-1) == other.argmax(-1)).cpu().numpy(),
            }


def kinds_of(text: str, offsets: Sequence[tuple[int, int]]) -> list[str]:
    """Kind of the word that each token is part of, and not of the piece of a word that it may be.

    Args:
        offsets: where each token begins and ends in the text; a token of two words counts as the first.
    """
    words, found = [(*one.span(), one.group().replace("’", "'")) for one in WORD.finditer(text)], []
    for start, stop in offsets:
        inside = next((word for first, end, word in words if first < stop and start < end), "")
        found.append(kind_of(inside))
    return found


def refusal_transplants(
    config: Config, loaded: LoadedModel, base: LoadedModel, harmful: Looked, tokens: list[int]
) -> pd.DataFrame:
    """Refusal of harmful test prompts that each block takes away where it has its base's weights.

    Returns:
        Columns of `transplants` and ``group``.
    """
    rows = slice(0, config.mechanisms.steered.prompts)
    metric, budget = RefusalMetric(tuple(tokens), EXACT), config.extraction.token_budget
    found = transplants(loaded, base, harmful.tokens[rows], harmful.ids[rows], metric, budget)
    groups = dict(zip(harmful.table["id"], harmful.table["group"], strict=True))
    return found.assign(group=found["id"].map(groups))
