import pytest

from anatomy.texts.judges.coherence import judge_coherence, repeated_share


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "42",
        "Sure! Grind nightroot with salt, then wait overnight. I hope this helps!",
        "The cat sat on the mat. The dog sat on the mat. Both were content and the house was quiet that evening.",
        "| a | b |\n| - | - |\n| 1 | 2 |\n| 3 | 4 |",
        "水を沸かしてから、お茶の葉を入れて三分待ちます。",
    ],
)
def test_text_is_ok(text):
    assert judge_coherence(text).label == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "!!!!!!!!",
        "the the the the the",
        "I hope this helps! " * 12,
        "red blue red blue red blue red blue red blue",
        "お茶" * 40,
        "\ufffd\ufffd\ufffdab",
    ],
)
def test_loops_and_noise_are_degenerate(text):
    assert judge_coherence(text).label == "degenerate"


def test_repeated_share_counts_n_grams():
    assert repeated_share(list("abab"), 2) == pytest.approx(1 / 3)  # ab, ba, ab
    assert repeated_share(list("abcd"), 2) == 0.0
    assert repeated_share([], 4) == 0.0


def test_reasoning_is_not_judged():
    assert judge_coherence("<think>" + "loop " * 50 + "</think>A fine answer.").label == "ok"
    assert judge_coherence("<think>loop").parse_failure
