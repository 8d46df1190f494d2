"""Cutting at sentences, and what is no text."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.texts.continuations.post_processing import (
    SHORT_RULES,
    cut_at_sentence,
    degenerate_reason,
    post_process,
)

LONG = "This sentence is certainly longer than forty characters."


@given(st.text(alphabet="ab .!?\"'\n", max_size=80))
def test_cutting_keeps_a_beginning_and_is_idempotent(text):
    cut = cut_at_sentence(text)
    assert text.startswith(cut) and cut_at_sentence(cut) == cut


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Thr", "One. Two!"),
        ('He said "no." Then', 'He said "no."'),
        ("no end", "no end"),
        ("Whole.", "Whole."),
        ("It is 3.5 km", "It is 3.5 km"),
        ("", ""),
    ],
)
def test_the_last_complete_sentence_is_the_end(text, expected):
    assert cut_at_sentence(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", "empty"),
        ("too short", "short"),
        (f"{LONG} {LONG} {LONG}", "repeated sentence"),
        (f"{LONG} {LONG} End.", ""),
        ("abcdefghij" * 12, "repeated window"),
        ("x" * 53, "repeated window"),
        ("A fine text that is no trifle, being so long as it is.", ""),
    ],
)
def test_degenerate_reasons(text, reason):
    assert degenerate_reason(text) == reason


def test_rules_for_short_documents_let_one_sentence_pass():
    assert degenerate_reason("It is orange.") == "short" and degenerate_reason("It is orange.", SHORT_RULES) == ""


def test_texts_have_a_reason_and_none_is_lost():
    rows = [("m", "v", "news", text) for text in ("<think>never ends", None, LONG + " And", f"<think>x</think> {LONG}", "a")]
    done = post_process(pd.DataFrame(rows, columns=["model", "variant", "category", "response"]))
    assert list(done["degenerate"]) == ["unended reasoning", "empty", "", "", "short"]
    assert list(done["response"][2:4]) == [LONG, LONG] and list(done["cut"]) == [0, 0, 4, 0, 0]
