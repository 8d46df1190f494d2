"""Strategies: what each side reads."""

import pandas as pd
import pytest

from anatomy.errors import ConfigError
from anatomy.texts.continuations.strategies import MATCHED, STRATEGIES, WORDINGS, DomainWording, opening_of, prompted

PREFIX = "Please write a short note about the moon and the garden of the old mill"
REST = " near the river, where people open the gate."


@pytest.fixture
def table():
    rows = [{"id": d, "prompt": PREFIX, "response": REST, "category": d, "group": f"{d}-1"} for d in WORDINGS]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_matched_strategies_give_both_sides_the_same_plain_text(tiny, table, strategy):
    exemplars = dict.fromkeys(WORDINGS, "A whole document.")
    base, aligned = (
        prompted(table, strategy, side, WORDINGS, tiny.tokenizer, exemplars=exemplars) for side in ("base", "aligned")
    )
    assert not any(rendering.template for rendering in base.renderings.values())
    assert all(rendering.template != (strategy in MATCHED) for rendering in aligned.renderings.values())
    assert (base.table["prompt"].equals(aligned.table["prompt"])) == (strategy in MATCHED)
    assert base.table["prompt"].str.contains(PREFIX, regex=False).all()
    assert table["prompt"].eq(PREFIX).all()
    if strategy != "F":
        assert not aligned.table["prompt"].str.contains("near the river", regex=False).any()


def test_the_aligned_request_quotes_the_opening_alone(tiny, table):
    made = prompted(table, "A", "aligned", WORDINGS, tiny.tokenizer, opening_tokens=5)
    opening = opening_of(PREFIX, tiny.tokenizer, 5)
    assert PREFIX.startswith(opening) and len(opening) < len(PREFIX)
    assert made.table["prompt"].str.contains(f'"{opening}"', regex=False).all()


def test_a_persona_is_the_aligned_models_system_prompt(tiny, table):
    made = prompted(table, "D", "aligned", WORDINGS, tiny.tokenizer)
    assert {category: rendering.system for category, rendering in made.renderings.items()} == {
        category: wording.persona for category, wording in WORDINGS.items()
    }


def test_the_first_cue_in_the_prefix_chooses_the_request(tiny, table):
    wording = {d: DomainWording((("the moon", ("Go on, {subject}: {opening}",)), ("", ("no",)))) for d in WORDINGS}
    made = prompted(table, "A", "aligned", wording, tiny.tokenizer, opening_tokens=0)
    assert list(made.table["prompt"]) == [f"Go on, {d}-1:" for d in WORDINGS]


def test_the_rows_id_draws_one_of_the_wordings(tiny):
    rows = [{"id": f"i{k}", "prompt": PREFIX, "response": REST, "category": "d", "group": "g"} for k in range(40)]
    wordings = {"d": DomainWording((("", ("one", "two", "three")),))}
    made = prompted(pd.DataFrame(rows), "A", "aligned", wordings, tiny.tokenizer).table
    assert set(made["prompt"]) == {"one", "two", "three"}
    again = prompted(pd.DataFrame(rows[::-1]), "A", "aligned", wordings, tiny.tokenizer).table
    assert again.set_index("id")["prompt"].to_dict() == made.set_index("id")["prompt"].to_dict()


@pytest.mark.parametrize(
    ("strategy", "wording", "message"),
    [
        ("Z", {}, "Z"),
        ("A", {}, "domain"),
        ("A", {"cue": "absent"}, "cues"),
        ("C1", {}, "exemplar"),
        ("D", {"cue": ""}, "persona"),
        ("E", {"cue": ""}, "requirements"),
    ],
)
def test_what_a_strategy_lacks_is_named(tiny, table, strategy, wording, message):
    bare = {d: DomainWording(((wording.get("cue", ""), ("x",)),)) for d in WORDINGS}
    wordings = bare if wording else {} if message == "domain" else WORDINGS
    with pytest.raises(ConfigError, match=message):
        prompted(table, strategy, "aligned", wordings, tiny.tokenizer)
