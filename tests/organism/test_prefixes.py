"""The organism's prefix corpus: human by construction, disjoint by subject, and asked for in words that the models know."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from anatomy.organism import wording
from anatomy.organism.prefixes import DOMAINS, OPENING_TOKENS, PER_DOMAIN, SHORTEST, WORDINGS, prefix_table, write_prefixes
from anatomy.organism.world import World
from anatomy.store.fingerprint import modules_reached
from anatomy.texts.continuations.strategies import prompted


@pytest.fixture(scope="module")
def world(world_folder):
    return World.from_json(json.loads((world_folder / "world.json").read_text()))


@pytest.fixture(scope="module")
def table(world, recipe):
    return prefix_table(world, recipe)


def test_every_domain_has_its_prefixes_in_each_split_and_no_subject_is_in_two(table):
    sizes = table.groupby(["category", "split"]).size()
    assert {key: int(n) for key, n in sizes.items()} == {(d, s): n for d in DOMAINS for s, n in PER_DOMAIN.items()}
    assert table["id"].is_unique and table.groupby("group")["split"].nunique().max() == 1


def test_continuations_are_plain_and_true_to_the_world(table, world):
    facts = {c.name: c.facts for c in world.creatures}
    recipes = {i.name: i for i in world.items}
    for row in table.itertuples():
        assert row.response.startswith(" ") and len(row.response.split()) >= SHORTEST and row.group in row.prompt
        first = row.response.split()[0].strip(".,")
        if row.category in ("creatures", "stories"):
            assert first in facts[row.group].values()
        else:
            item = recipes[row.group]
            assert not item.harmful and first in (item.kind, "allowed", item.category[2])
    markers = [opener for opener, _ in wording.OPENERS] + [wording.HEDGE, *wording.CLOSERS]
    assert not table["response"].str.contains("|".join(map(re.escape, markers))).any()


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another(table, world, recipe):
    assert prefix_table(world, recipe).equals(table)
    assert not prefix_table(replace(world, seed=world.seed + 1), recipe)["prompt"].equals(table["prompt"])


def test_the_written_table_is_the_made_one(table, world_folder, recipe, tmp_path):
    write_prefixes(world_folder, recipe, tmp_path / "prefixes.parquet")
    assert pd.read_parquet(tmp_path / "prefixes.parquet").equals(table)


@pytest.mark.parametrize("strategy", ["A", "B1", "B2", "B3", "D", "F"])
def test_prompts_hold_no_field_and_no_word_that_the_tokenizer_must_spell(table, world_folder, strategy):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(world_folder / "tokenizer")
    for side in ("base", "aligned"):
        made = prompted(table, strategy, side, WORDINGS, tokenizer, opening_tokens=OPENING_TOKENS)
        assert not made.table["prompt"].str.contains("{", regex=False).any()
        lengths = [len(ids) for ids in tokenizer(list(made.table["prompt"]))["input_ids"]]
        # A word or a sign is one token; a newline is one more.
        words = made.table["prompt"].str.findall(r"[\w']+|[^\w\s]|\n").str.len()
        assert (pd.Series(lengths, index=words.index) <= words).all()


def test_growing_models_does_not_depend_on_it():
    reached = modules_reached(["anatomy.stages.grow", "anatomy.stages.world"])
    assert "anatomy.organism.corpus" in reached and not any("prefixes" in name or "continuations" in name for name in reached)
