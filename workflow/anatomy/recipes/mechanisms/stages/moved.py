"""What training moved: tokens of a model's own answers on which its base says otherwise, and blocks that refusal was put into."""

from __future__ import annotations

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.interventions.instruments.transplant import transplants
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.mechanisms.prompts_read import SIDES, set_read
from anatomy.recipes.mechanisms.stages.looking import EXACT, Looked
from anatomy.recipes.superficial.stages.words import kind_of
from anatomy.stages.rendering import answer_rendering


@torch.no_grad()
def moved_tokens(config: Config, subject: Subject, loaded: LoadedModel, base: LoadedModel, answers: pd.DataFrame) -> pd.DataFrame:
    """Each token of the model's own answers to prompts of select, as its base would have said it after the same tokens.

    Args:
        answers: the model's completions.

    Returns:
        Columns ``id, group, side, position, kind, kl, agrees``: kind of word that was said, KL(model || base) in nats, and
        whether both find the same token likeliest. No text is kept.
    """
    wanted, parts = config.mechanisms, []
    for side in SIDES:
        rows = answers[(answers["phase"] == "select") & (answers["set"] == set_read(config, side, "fit"))]
        rows = rows[rows["response"].fillna("").str.strip() != ""].head(wanted.prompts)
        prompts = render(loaded.tokenizer, list(rows["prompt"]), answer_rendering(config.evaluation, subject))
        said = [list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in rows["response"]]
        tokens = [[*prompt, *answer] for prompt, answer in zip(prompts, said, strict=True)]
        for batch in batches(tokens, config.extraction.token_budget, loaded.pad_token_id, loaded.device):
            keep = max(len(said[row]) for row in batch.rows) + 1
            ours = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits
            theirs = base.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits.to(ours.device)
            for place, row in enumerate(batch.rows):
                one, other = (logits[place, -len(said[row]) - 1 : -1] for logits in (ours, theirs))
                about = {"id": rows["id"].iloc[row], "group": rows["group"].iloc[row], "side": side}
                found = {
                    "position": range(len(said[row])),
                    "kind": [kind_of(loaded.tokenizer.decode([token])) for token in said[row]],
                    "kl": kl_divergence(one, other).cpu().numpy(),
                    "agrees": (one.argmax(-1) == other.argmax(-1)).cpu().numpy(),
                }
                parts.append(pd.DataFrame(found).assign(**about))
    columns = ["id", "group", "side", "position", "kind", "kl", "agrees"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


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
