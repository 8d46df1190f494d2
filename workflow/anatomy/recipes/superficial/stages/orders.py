"""The template control: how far the aligned model is from the base where they are spoken to otherwise, and what of that is no
alignment, because the template alone moves the base as far."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.interventions.heads.divergence import full_divergence
from anatomy.recipes.superficial.pairs import spoken_to, way_of
from anatomy.recipes.superficial.stages.answered import answered
from anatomy.recipes.superficial.stages.diagnostics import AT_ONCE, BASE, Pairing, states

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

TEMPLATE = "template alone"
HEAD = "head"
ORDERS = ["model", "order", "arm", "set", "id", "group", "position", "kl"]


def by_order(config: Config, pair: Pairing, aligned: pd.DataFrame, heads: Mapping[str, str]) -> pd.DataFrame:
    """Divergences in each order of template, on the aligned model's answers, which are the same in all of them.

    Args:
        aligned: the aligned model's answers to test prompts.
        heads: order to the name of its head among the residuals.

    Returns:
        Columns ``ORDERS``. ``arm``: ``base`` (KL(aligned || base) in nats), ``head`` (KL(aligned || base + head)), and ``template
        alone``: KL(base spoken to as the aligned model is || base as it is spoken to), which is 0 where both are spoken to alike.
    """
    tokenizer, name = pair.models["aligned"].tokenizer, pair.subjects["aligned"].id
    logits_of = {role: loaded.model.get_output_embeddings() for role, loaded in pair.models.items()}
    tables = []
    for order, head in heads.items():
        subjects = {role: spoken_to(pair.subjects, role, way_of(order, role)) for role in ("base", "aligned")}
        subjects[TEMPLATE] = spoken_to(pair.subjects, "base", way_of(order, "aligned"))
        found = answered(aligned, config.evaluation, subjects, tokenizer, f"test answers of {name}, {order}")
        for start in range(0, len(found.answers), AT_ONCE):
            place = slice(start, start + AT_ONCE)
            read = {
                role: states(
                    pair.models["aligned" if role == "aligned" else "base"], found, role, place, config.extraction.token_budget
                )
                for role in subjects
            }
            for row, (ours, theirs, moved) in enumerate(
                zip(read["base"], read["aligned"], read[TEMPLATE], strict=True), start=start
            ):
                with torch.inference_mode():
                    plain, moved_logits = (
                        logits_of["base"](one.final.to(pair.models["base"].device)).float().cpu() for one in (ours, moved)
                    )
                    goal = logits_of["aligned"](theirs.final.to(pair.models["aligned"].device)).float().cpu()
                    made = {
                        BASE: full_divergence(goal, plain),
                        HEAD: full_divergence(goal, plain + pair.residuals[head].added(ours.final.float())),
                        TEMPLATE: full_divergence(moved_logits, plain),
                    }
                about = found.table.iloc[row]
                tables += [
                    pd.DataFrame({"position": range(len(kl)), "kl": kl}).assign(
                        arm=arm, order=order, set=about["set"], id=about["id"], group=about["group"], model=name
                    )
                    for arm, kl in made.items()
                ]
    return pd.concat(tables, ignore_index=True)[ORDERS] if tables else pd.DataFrame(columns=ORDERS)
