"""How the words of ``--columns`` and ``--near-duplicate`` are read."""

import argparse

import pytest

from anatomy.quickstart.pair_options import add_pair_options


def read(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_pair_options(parser)
    return parser.parse_args(list(words))


def test_columns_are_ours_to_theirs():
    assert read().columns == {}
    assert read("--columns", "harmful=a b", "harmless=c=d").columns == {"harmful": "a b", "harmless": "c=d"}
    assert read("--columns", "harmful=a", "--columns", "harmless=b").columns == {"harmful": "a", "harmless": "b"}
    assert read().columns == {}, "one call leaves nothing to the next"


@pytest.mark.parametrize(
    "words", [["harmful=a", "harmful=b"], ["harmful=a", "harmless=a"], ["harmful"], ["=a"], ["harmful="]], ids=" ".join
)
def test_columns_that_mean_nothing_or_two_things_are_refused(words, capsys):
    """The last of two would have been taken without a word."""
    with pytest.raises((SystemExit, argparse.ArgumentError)) as refused:
        read("--columns", *words)
    if isinstance(refused.value, SystemExit):
        assert "twice" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "nan"])
def test_an_overlap_is_above_0_and_at_most_1(value):
    with pytest.raises((SystemExit, argparse.ArgumentError)):
        read("--near-duplicate", value)
