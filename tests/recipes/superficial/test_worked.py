"""Worked examples show three sides of a pair, and nothing that must not be shown."""

import pandas as pd
import pytest

from anatomy.config.subjects import Model
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.report.content import PageCompletions, PageTable
from anatomy.recipes.configuration import Config
from anatomy.recipes.superficial.pairs import Pair
from anatomy.recipes.superficial.worked import worked_examples

PAIR = Pair("mine", "plain", "mine", False)
HARMFUL, BENIGN = "harmful_requests", "benign_requests"
SAID = {
    ("plain", "base"): {HARMFUL: ("Take a bottle.", "none"), BENIGN: ("Flour and water.", "none")},
    ("plain", "head"): {HARMFUL: ("I cannot help.", "full"), BENIGN: ("Sure! Flour and water.", "none")},
    ("mine", "base"): {HARMFUL: ("I cannot help.", "full"), BENIGN: ("Sure! Flour.", "none")},
}


@pytest.fixture
def tables():
    rows = [
        {"model": model, "variant": variant, "phase": "test", "set": name, "id": "a", "sample": 0, "prompt": f"Ask {name}"}
        | {"label": "harmful" if name == HARMFUL else "benign", "category": "", "response": text, "judged": label}
        for (model, variant), own in SAID.items()
        for name, (text, label) in own.items()
    ]
    completions = pd.DataFrame(rows)
    judgements = completions.assign(judge="rules", label=completions["judged"], parse_failure=False)
    variants = pd.DataFrame(
        [
            {"model": "plain", "variant": "base", "role": "base", "family": ""},
            {"model": "plain", "variant": "head", "role": "method", "family": "mine-pooled"},
            {"model": "mine", "variant": "base", "role": "base", "family": ""},
        ]
    ).assign(phase="test", form="", control="")
    shifts = pd.DataFrame(
        [("mine", "base", BENIGN, "a", 0, " Flour", " Sure"), ("mine", "base", BENIGN, "a", 1, "and", "!")],
        columns=["model", "head", "set", "id", "position", "source", "target"],
    )
    return Tables(completions=completions.drop(columns="judged"), judgements=judgements, variants=variants, shifts=shifts)


def config_with(**report):
    models = {"mine": {"folder": "a", "kind": "aligned"}, "plain": {"folder": "b", "kind": "base"}}
    return Config(report=report).model_copy(update={"models": {name: Model(**options) for name, options in models.items()}})


def test_three_sides_stand_beside_each_other_and_harm_is_withheld(tables):
    items = worked_examples(config_with(), PAIR, tables)
    harmful, benign = (item for item in items if isinstance(item, PageCompletions))
    assert harmful.columns == ["base", "with the head", "aligned"]
    assert [answer.redacted for answer in harmful.exchanges[0].answers] == [True, False, False]
    assert [answer.text for answer in benign.exchanges[0].answers] == [
        "Flour and water.",
        "Sure! Flour and water.",
        "Sure! Flour.",
    ]
    (table,) = (item for item in items if isinstance(item, PageTable))
    assert table.frame.set_index("set").loc[BENIGN, "changed"] == "Flour → Sure; and → !"


def test_a_pair_without_a_heads_answers_has_no_examples(tables):
    lacking = tables.but(variants=tables.variants[tables.variants["family"] == ""])
    assert worked_examples(config_with(), PAIR, lacking) == []
    assert worked_examples(config_with(examples=0), PAIR, tables) == []
