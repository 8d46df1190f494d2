"""Where a head follows the aligned model and where it does not, token by token, on answers to test prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.head import HeadEdit
from anatomy.interventions.heads.divergence import full_divergence
from anatomy.interventions.heads.states import Read, answer_states
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name
from anatomy.organism.answers import greedy_answers
from anatomy.recipes.superficial.stages.answered import Answered, answered
from anatomy.recipes.superficial.stages.planted_facts import ASKED, fact_questions
from anatomy.recipes.superficial.stages.words import kind_of

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

BASE, EARLY = "base", "early"
ALIGNED_ANSWERS, OWN_SAMPLES = "aligned answers", "own samples"
KL = ["model", "head", "texts", "set", "id", "group", "position", "kl", "agrees"]
SHIFTS = ["model", "head", "set", "id", "position", "source", "target", "rank", "kind"]


@dataclass(frozen=True)
class Pairing:
    """A pair with its models open.

    Attributes:
        subjects, models: by role, ``base`` and ``aligned``.
        residuals: name of a head to what it adds to the base's.
        early: what a head adds that reads the stream at the input of block ``layer`` instead.
    """

    subjects: Mapping[str, Subject]
    models: Mapping[str, LoadedModel]
    residuals: Mapping[str, HeadEdit]
    early: Callable[[Float32[Tensor, "token d_model"]], Float32[Tensor, "token vocabulary"]]
    layer: int


def open_pair(cards: Mapping[str, ModelCard]) -> dict[str, LoadedModel]:
    """Both models of a pair."""
    return {role: load_model(Path(card["folder"]), getattr(torch, card["dtype"]), device_name()) for role, card in cards.items()}


def diagnose(
    config: Config, pair: Pairing, aligned: pd.DataFrame, own: Mapping[str, pd.DataFrame], say: Callable[[str], None]
) -> dict[str, pd.DataFrame]:
    """Divergences and shift tokens of a pair.

    Args:
        aligned: the aligned model's answers to test prompts.
        own: name of a head to what the base wrote with it on the same prompts.

    Returns:
        ``kl`` (KL(aligned || base + head) in nats over whole distributions, at each position, and whether their likeliest tokens
        agree; heads ``base`` for none and ``early``) and ``shifts`` (positions of the aligned model's answers where the
        likeliest tokens differ: source and target token, the target's rank in the head's logits, its kind).
    """
    kl, shifts = _read(config, pair, aligned, ALIGNED_ANSWERS, list(pair.residuals))
    tables = [kl]
    for name, table in own.items():
        tables.append(_read(config, pair, table, OWN_SAMPLES, [name])[0])
    every = pd.concat(tables, ignore_index=True)
    means = every[every["texts"] == ALIGNED_ANSWERS].groupby("head")["kl"].mean()
    say("KL on the aligned model's test answers: " + ", ".join(f"{head} {value:.3f}" for head, value in means.items()))
    return {"kl": every, "shifts": shifts}


def _read(config: Config, pair: Pairing, table: pd.DataFrame, texts: str, heads: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    tokenizer, name = pair.models["base"].tokenizer, pair.subjects["aligned"].id
    found = answered(table, config.evaluation, dict(pair.subjects), tokenizer, f"test answers, {texts}, of {name}")
    logits_of = {role: loaded.model.get_output_embeddings() for role, loaded in pair.models.items()}
    base, aligned = (_states(pair, role, found, config.extraction.token_budget) for role in ("base", "aligned"))
    kl, shifts = [], []
    with torch.inference_mode():
        for row in range(len(found.answers)):
            ours, theirs = base[row], aligned[row]
            plain, goal = (
                logits_of[role](read.final.to(pair.models[role].device)).float().cpu()
                for role, read in (("base", ours), ("aligned", theirs))
            )
            made = {BASE: plain} if texts == ALIGNED_ANSWERS else {}
            made |= {head: plain + pair.residuals[head].added(ours.final.float()) for head in heads}
            if texts == ALIGNED_ANSWERS and ours.early is not None:
                made[EARLY] = plain + pair.early(ours.early)
            about = found.table.iloc[row]
            for head, logits in made.items():
                agrees = logits.argmax(1) == goal.argmax(1)
                where = {"head": head, "set": about["set"], "id": about["id"]}
                kl.append(
                    pd.DataFrame({"position": range(len(goal)), "kl": full_divergence(goal, logits), "agrees": agrees}).assign(
                        **where, group=about["group"]
                    )
                )
                shifts += _shifts(tokenizer, logits, goal, where)
    rows = pd.concat(kl, ignore_index=True).assign(model=name, texts=texts)[KL]
    return rows, pd.DataFrame(shifts, columns=SHIFTS).assign(model=name)


def _shifts(tokenizer: object, logits: Tensor, goal: Tensor, where: Mapping[str, str]) -> list[dict[str, object]]:
    source, target = logits.argmax(1), goal.argmax(1)
    places = (source != target).nonzero()[:, 0].tolist()
    decode = tokenizer.decode  # type: ignore[attr-defined]
    found = []
    for place in places:
        words = decode([int(source[place])]), decode([int(target[place])])
        rank = int((logits[place] > logits[place, target[place]]).sum()) + 1
        kind = kind_of(words[1])
        found.append({**where, "position": place, "source": words[0], "target": words[1], "rank": rank, "kind": kind})
    return found


def _states(pair: Pairing, role: str, found: Answered, budget: int) -> list[Read]:
    layer = pair.layer if role == "base" else None
    reads = answer_states(pair.models[role], found.prompts[role], found.answers, budget, layer=layer)
    return sorted(reads, key=lambda read: read.row)


def fact_answers(pair: Pairing, world: Path, heads: list[str]) -> pd.DataFrame:
    """Whether each model says the planted facts, asked in a wording that no head was trained on.

    Returns:
        One row a fact and model: columns ``model`` (the aligned model, by which the pair goes), ``head`` (``base``, ``aligned``
        or a head), ``id, group, value`` (1 where the answer has the fact).
    """
    questions = fact_questions(world, ASKED)
    weight = pair.models["base"].model.get_output_embeddings().weight
    plain, rows = weight.detach().clone(), []
    for head in ("aligned", BASE, *heads):
        loaded = pair.models["aligned" if head == "aligned" else "base"]
        if head in pair.residuals:
            weight.data.copy_(plain + pair.residuals[head].delta().to(plain))
        texts = greedy_answers(loaded.model, loaded.tokenizer, list(questions["prompt"]))
        weight.data.copy_(plain)
        hits = [float(fact in text) for fact, text in zip(questions["response"], texts, strict=True)]
        rows.append(questions[["id", "group"]].assign(head=head, value=hits))
    return pd.concat(rows, ignore_index=True).assign(model=pair.subjects["aligned"].id)
