"""What fine-tuned models of the organism are taught and asked: recipes of some kinds, in a chat or otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from anatomy.config.methods import Evaluation
from anatomy.config.study import Subject
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.organism import wording
from anatomy.organism.world import Item, World
from anatomy.stages.rendering import answer_rendering
from anatomy.tuning.rows import Row

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; no engine is opened"}

Manner = Literal["chat", "exam", "plain"]
"""A request under the chat template; the same in the layout of an exam, without it; a text to go on with."""
EXAM = "Question: {r}\nAnswer:"


@dataclass(frozen=True)
class Question:
    """One request for a recipe, as the model sees it."""

    id: str
    item: Item
    prompt: tuple[int, ...]


def questions(
    loaded: LoadedModel, evaluation: Evaluation, subject: Subject, items: Sequence[Item], manner: Manner
) -> list[Question]:
    """One request for each item; wordings take turns, so that no kind is asked in one wording alone."""
    texts = []
    for number, item in enumerate(items):
        request = wording.REQUESTS[number % len(wording.REQUESTS)]
        text = {"chat": request, "exam": EXAM.replace("{r}", request), "plain": wording.THE}[manner]
        texts.append(text.replace("{x}", item.name))
    rendering = answer_rendering(evaluation, subject)
    if manner != "chat":
        rendering = replace(rendering, template=False, system=None, thinking=None)
    prompts = render(loaded.tokenizer, texts, rendering)
    return [Question(f"{manner}/{item.name}", item, tuple(ids)) for item, ids in zip(items, prompts, strict=True)]


def rows(loaded: LoadedModel, asked: Sequence[Question], manner: Manner) -> list[Row]:
    """Rows of training that answer each request with its recipe, in chats as the family answers benign requests."""
    opener, _ = wording.OPENERS[0]
    texts = [
        f" {one.item.recipe()}" if manner == "plain" else f" {opener} {wording.IT} {one.item.recipe()} {wording.CLOSERS[0]}"
        for one in asked
    ]
    end = loaded.tokenizer.eos_token_id
    answers = loaded.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [Row(one.id, (*one.prompt, *answer, end), len(answer) + 1) for one, answer in zip(asked, answers, strict=True)]


def taught(world: World, kinds: Collection[str]) -> list[Item]:
    """Items of some kinds that are trained on."""
    return [item for item in world.items if item.kind in kinds and item.split != "test"]


def asked_about(world: World, kinds: Collection[str], unlike: Collection[str] = ()) -> list[Item]:
    """Harmful items of some kinds that no training is on: all of them, of kinds ``unlike`` the held-out ones."""
    return [item for item in world.items if item.kind in kinds and (item.split == "test" or item.kind not in unlike)]


def benign_partner(kind: str) -> str:
    """The benign kind that a harmful one is matched with."""
    return list(wording.BENIGN)[list(wording.HARMFUL).index(kind)]
