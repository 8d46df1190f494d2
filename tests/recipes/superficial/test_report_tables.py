"""Tables behind the figures of heads and of cover: means over tokens with intervals over groups, and the paper's cover rate."""

import pandas as pd
import pytest

from anatomy.recipes.configuration import check_config
from anatomy.recipes.superficial.report import COVERS, cover_table, heads_table
from anatomy.recipes.superficial.stages.words import kind_of

CONFIG = check_config({"recipes": ["superficial"], "statistics": {"bootstrap": 200}}, "mine.yaml")


def kl(head, values):
    return pd.DataFrame(
        [
            {"model": "a", "head": head, "group": group, "kl": value, "agrees": value < 1}
            for group, several in values.items()
            for value in several
        ]
    )


def test_a_head_stands_with_its_mean_over_tokens_and_an_interval_over_groups():
    same, spread = kl("even", {"x": [1.0, 1.0], "y": [1.0], "z": [1.0]}), kl("spread", {"x": [0.0, 0.2], "y": [3.0], "z": [0.8]})
    table = heads_table(CONFIG, pd.concat([same, spread])).set_index("head")
    assert table.loc["even", ["kl", "low", "high"]].tolist() == pytest.approx([1, 1, 1]) and table.loc["even", "agreement"] == 0
    row = table.loc["spread"]
    assert row["kl"] == pytest.approx(1.0) and row["agreement"] == 0.75 and row["tokens"] == 4
    assert 0.1 <= row["low"] < 0.7 and 1.5 < row["high"] <= 3.0  # between the groups' own means: a draw may hold one alone


def test_cover_counts_targets_among_the_likeliest_tokens_and_only_grows():
    shifts = pd.DataFrame({"model": "a", "set": ["s"] * 4 + ["t"], "rank": [2, 3, 40, 900, 2]})
    table = cover_table(shifts)
    own = table[table["set"] == "s"].set_index("k")
    assert (
        own.loc[2, "covered"] == 0.25
        and own.loc[3, "covered"] == 0.5
        and own.loc[50, "covered"] == own.loc[500, "covered"] == 0.75
    )
    assert own["covered"].is_monotonic_increasing and (own["shifts"] == 4).all() and len(table) == 2 * len(COVERS)
    assert (table.loc[table["set"] == "t", "covered"] == 1).all()


def test_words_that_carry_grammar_are_none_of_style():
    """Refusals and openings hold many of them, and every text does."""
    kinds = {word: kind_of(word) for word in (" I", "of", "If", " Sorry", "Certainly", " flour", "...", " cannot")}
    assert [kinds[word] for word in (" I", "of", "If")] == ["function"] * 3
    assert [kinds[word] for word in (" Sorry", "Certainly", " cannot")] == ["style"] * 3
    assert kinds[" flour"] == "content" and kinds["..."] == "mark"
