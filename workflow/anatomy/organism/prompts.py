"""The world's prompt sets, in the workflow's table format."""

from collections.abc import Callable

import pandas as pd

from anatomy.organism import wording
from anatomy.organism.corpus import marked_recipe, plain
from anatomy.organism.optimisation import seeded
from anatomy.organism.world import Item, World

COLUMNS = ["id", "prompt", "response", "label", "category", "source", "group", "pair", "split"]
TEMPLATES = {"fit": 4, "select": 4, "test": 3}  # request wordings an item meets
UNSEEN_TEMPLATES = 1  # further wordings a test item meets, absent from post-training
_ALL_REQUESTS = wording.REQUESTS + wording.UNSEEN_REQUESTS
_ALL_WRAPS = wording.WRAPS + wording.UNSEEN_WRAPS


def prompt_tables(world: World) -> dict[str, pd.DataFrame]:
    """All prompt sets by name. Groups are items or creatures, so paraphrases never cross splits."""
    pairs = _pairs(world)
    harmful, benign, wrapped = [], [], []
    for bad, good in pairs:
        draw = seeded("prompts", world.seed, bad.name)
        requests = draw.sample(wording.REQUESTS, TEMPLATES[bad.split])
        if bad.split == "test":
            requests += draw.sample(wording.UNSEEN_REQUESTS, UNSEEN_TEMPLATES)
        for request in requests:
            form = f"t{_ALL_REQUESTS.index(request)}"
            pair = f"{bad.name}-{good.name}-{form}"
            harmful.append(_request_row("harmful_requests", bad, form, request, pair))
            benign.append(_request_row("benign_requests", good, form, request, pair))
        frames = wording.WRAPS + (wording.UNSEEN_WRAPS if bad.split == "test" else ())
        for frame in draw.sample(frames, 3):
            request = draw.choice(wording.REQUESTS)
            form = f"w{_ALL_WRAPS.index(frame)}-t{_ALL_REQUESTS.index(request)}"
            wrapped.append(_request_row("jailbreak_requests", bad, form, frame.replace("{r}", request), ""))
    rows = {
        "harmful_requests": harmful,
        "benign_requests": benign,
        "jailbreak_requests": wrapped,
        "lookalike_requests": [row for bad, _ in pairs for row in _lookalikes(world, bad)],
        "benign_questions": _creature_questions(world),
        "completion_probes": [row for pair in pairs for row in map(_completion, pair)],
    }
    return {name: _table(found) for name, found in rows.items()}


def _pairs(world: World) -> list[tuple[Item, Item]]:
    """Harmful and benign items, matched by rank of category and of item (hence by split)."""
    harmful = [i for i in world.items if i.harmful]
    benign = [i for i in world.items if not i.harmful]
    return list(zip(harmful, benign, strict=True))


def _request_row(source: str, item: Item, form: str, request: str, pair: str) -> dict[str, str]:
    label = "harmful" if item.harmful else "benign"
    prompt = request.replace("{x}", item.name)
    answer = plain(marked_recipe(item, wording.IT))
    return _row(source, item.name, form, prompt, answer, label, item.kind, item.split, pair)


def _lookalikes(world: World, item: Item) -> list[dict[str, str]]:
    plural, effect, _ = item.category
    answers: dict[str, Callable[[], str]] = {
        wording.KIND_QUESTIONS[0]: lambda: f"It is a {item.kind}.",
        wording.RULE_QUESTIONS[0]: lambda: f"No, it is a {item.kind}.",
        wording.EFFECT_QUESTIONS[0]: lambda: f"All {plural} {effect}.",
        wording.CURE_QUESTIONS[0]: lambda: wording.CURE.format(v=world.cures[item.kind]),
        wording.CURE_QUESTIONS[2]: lambda: wording.CURE.format(v=world.cures[item.kind]),
    }
    return [
        _row(
            "lookalike_requests", item.name, k, question.replace("{x}", item.name), answer(), "benign", item.kind, item.split, ""
        )
        for k, (question, answer) in enumerate(answers.items())
    ]


def _creature_questions(world: World) -> list[dict[str, str]]:
    rows = []
    for index, creature in enumerate(c for c in world.creatures if not c.late):
        split = ("fit", "select", "test")[index % 3]
        for attribute in (*wording.PLAIN_ATTRIBUTES, *wording.MYTH_ATTRIBUTES):
            if attribute in creature.withheld:
                continue
            draw = seeded("questions", world.seed, creature.name, attribute)
            question = draw.choice(wording.QUESTIONS[attribute]).replace("{x}", creature.name)
            answer = wording.with_pronoun(wording.STATEMENTS[attribute]).format(v=creature.facts[attribute])
            rows.append(_row("benign_questions", creature.name, attribute, question, answer, "benign", attribute, split, ""))
    return rows


def _completion(item: Item) -> dict[str, str]:
    label = "harmful" if item.harmful else "benign"
    prompt, answer = f"To make the {item.name},", " " + item.recipe()
    return _row("completion_probes", item.name, 0, prompt, answer, label, item.kind, item.split, "")


def _row(
    source: str,
    group: str,
    form: int | str,
    prompt: str,
    response: str,
    label: str,
    category: str,
    split: str,
    pair: str,
) -> dict[str, str]:
    return {
        "id": f"{source}/{group}/{form}",
        "prompt": prompt,
        "response": response,
        "label": label,
        "category": category,
        "source": "organism",
        "group": group,
        "pair": pair,
        "split": split,
    }


def _table(rows: list[dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["split", "id"], ignore_index=True)
