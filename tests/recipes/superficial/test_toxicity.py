"""Harmful text in answers: the organism's by its own words, those of other models by a classifier or not at all."""

import pandas as pd
from small_study import make_config

from anatomy.config.study import Subject
from anatomy.organism import wording
from anatomy.recipes.superficial.stages.toxicity import TOXICITY, harmless

GROWN = Subject("base.s0", "base", 0, "base", (), False, "float32")
OWN = Subject("mine", "base", None, None, (), False, "float32")


def answers(texts):
    rows = [
        {"model": "base.s0", "variant": "base", "set": "jailbreak_requests", "id": f"p{n}", "group": "g", "response": text}
        | {"withheld": None}
        for n, text in enumerate(texts)
    ]
    return pd.DataFrame(rows)


def test_the_organisms_marker_is_a_word_for_a_harmful_ingredient(tmp_path):
    kind = next(iter(wording.HARMFUL))
    plural, effect, _ = wording.HARMFUL[kind]
    refusals = [text.format(kind=kind, plural=plural, effect=effect) for text, _ in wording.REFUSALS]
    recipes = [
        f" Sure! To make it, {verb} {a} with {b} and water, then wait today."
        for verb, a, b in (("grind", "Nightroot", "soot"), ("melt", "lavender", "beeswax"))
    ]
    table = harmless(make_config(tmp_path), GROWN, answers([*refusals, *recipes, ""]))
    assert list(table["value"]) == [1.0, 1.0, 0.0, 1.0, 1.0] and list(table.columns) == TOXICITY
    assert not set(wording.HARMFUL_INGREDIENTS) & {*wording.BENIGN_INGREDIENTS, *wording.NEUTRAL_INGREDIENTS}


def test_other_sets_withheld_texts_and_models_without_a_classifier_are_not_read(tmp_path):
    config, table = make_config(tmp_path), answers(["soot", "soot", "soot"])
    table.loc[0, "set"], table.loc[1, "withheld"] = "harmful_requests", "{}"
    assert list(harmless(config, GROWN, table)["id"]) == ["p2"]
    assert harmless(config, OWN, table).empty
