"""Where a head follows the aligned model and where it does not, token by token, on answers to test prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.head import HeadEdit
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.stack import under_stack
from anatomy.interventions.heads.divergence import full_divergence
from anatomy.interventions.heads.states import Read, answer_states
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.organism.answers import greedy_answers
from anatomy.recipes.superficial.pairs import FINE_TUNED, IN_CONTEXT
from anatomy.recipes.superficial.stages.answered import Answered, answered
from anatomy.recipes.superficial.stages.in_context import in_context
from anatomy.recipes.superficial.stages.planted_facts import ASKED, fact_questions
from anatomy.recipes.superficial.stages.words import kind_of
from anatomy.stages.opening import opened

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

AT_ONCE = 64
"""Answers whose states are in memory at a time."""
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


@dataclass(frozen=True)
class Baselined:
    """What the base does without a head: examples in front of a request, an adapter trained on few; None where not asked for."""

    shown: pd.DataFrame | None
    adapter: LowRankEdit | None


def open_pair(cards: Mapping[str, ModelCard]) -> dict[str, LoadedModel]:
    """Both models of a pair."""
    return {role: opened(card) for role, card in cards.items()}


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
    tokenizer, name = pair.models["aligned"].tokenizer, pair.subjects["aligned"].id
    found = answered(table, config.evaluation, dict(pair.subjects), tokenizer, f"test answers, {texts}, of {name}")
    logits_of = {role: loaded.model.get_output_embeddings() for role, loaded in pair.models.items()}
    kl, shifts = [], []
    with torch.inference_mode():
        for row, ours, theirs in _streamed(pair, found, config.extraction.token_budget):
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


def _streamed(pair: Pairing, found: Answered, budget: int) -> Iterator[tuple[int, Read, Read]]:
    """Row, states of the base and of the aligned model of every answer in turn; a few answers' are in memory at a time."""
    for start in range(0, len(found.answers), AT_ONCE):
        place = slice(start, start + AT_ONCE)
        base, aligned = (
            states(pair.models[role], found, role, place, budget, pair.layer if role == "base" else None)
            for role in ("base", "aligned")
        )
        for ours, theirs in zip(base, aligned, strict=True):
            yield start + ours.row, ours, theirs


def states(loaded: LoadedModel, found: Answered, role: str, place: slice, budget: int, layer: int | None = None) -> list[Read]:
    """States of some answers, behind the prompts as a role sees them, in order."""
    reads = answer_states(loaded, found.prompts[role][place], found.answers[place], budget, layer=layer)
    return sorted(reads, key=lambda read: read.row)


def fact_answers(pair: Pairing, world: Path, heads: list[str], baselines: Baselined) -> pd.DataFrame:
    """Whether each model says the planted facts, asked in a wording that no head was trained on.

    Returns:
        One row a fact and model: columns ``model`` (the aligned model, by which the pair goes), ``head`` (``base``, ``aligned``,
        a head or a baseline), ``id, group, value`` (1 where the answer has the fact).
    """
    questions = fact_questions(world, ASKED)
    prompts = list(questions["prompt"])
    weight = pair.models["base"].model.get_output_embeddings().weight
    plain, said = weight.detach().clone(), dict[str, list[str]]()
    for head in ("aligned", BASE, *heads):
        loaded = pair.models["aligned" if head == "aligned" else "base"]
        if head in pair.residuals:
            weight.data.copy_(plain + pair.residuals[head].delta().to(plain))
        said[head] = greedy_answers(loaded.model, loaded.tokenizer, prompts)
        weight.data.copy_(plain)
    base = pair.models["base"]
    if baselines.shown is not None:
        texts = in_context(base.tokenizer, prompts, baselines.shown, pair.subjects["base"])
        said[IN_CONTEXT] = greedy_answers(base.model, base.tokenizer, texts, chat=False)
    if baselines.adapter is not None:
        with under_stack(base, [baselines.adapter]):
            said[FINE_TUNED] = greedy_answers(base.model, base.tokenizer, prompts)
    rows = [
        questions[["id", "group"]].assign(
            head=head, value=[float(fact in text) for fact, text in zip(questions["response"], texts, strict=True)]
        )
        for head, texts in said.items()
    ]
    return pd.concat(rows, ignore_index=True).assign(model=pair.subjects["aligned"].id)
