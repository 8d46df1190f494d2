"""Stages that take long say how far they are: from nothing to all of the job, never backwards, in more than a few steps."""

import pytest
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts
from tiny_model import make_tiny_model

from anatomy.progress.counting import reporting


class Listener:
    """Keeps the outermost count's fraction after each change."""

    def __init__(self):
        self.fractions, self.words, self.root = [], set(), None

    def changed(self, open_counts, boundary):
        self.words |= {count.what for count in open_counts}
        if open_counts and open_counts[0].whole:
            self.root = open_counts[0]
            self.fractions.append(self.root.fraction)


def check(listener, least):
    assert listener.fractions == sorted(listener.fractions)
    assert len(set(listener.fractions)) >= least, listener.fractions
    assert listener.fractions[0] == 0.0 and listener.root.done >= listener.root.total * (1 - 1e-9)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counted")
    write_prompts(folder / "results")
    make_tiny_model(folder / "model", layers=3)
    return make_config(folder / "results"), make_card(folder / "model"), make_subject()


def test_extraction_and_localization(study):
    from anatomy.stages.localize import localize
    from anatomy.stages.own_answers import own_answers

    config, card, subject = study
    listener = Listener()
    with reporting(listener):
        extracted = run_extraction(config, card, subject)
    check(listener, 3)  # one batch a side
    listener = Listener()
    with reporting(listener):
        own_answers(config, subject, card, None, str)
    check(listener, 3)
    assert {"answers"} <= listener.words
    tokens = {"tokens": [20, 30], "common_prefix": [], "refusals": 9, "compliances": 9}
    listener = Listener()
    with reporting(listener):
        localize(config, subject, card, extracted, tokens, str)
    check(listener, 10)
    assert {"texts read", "rounds of the race"} <= listener.words
