"""Markers: where they stand, of which kind, and openers at the beginning alone."""

import json

from anatomy.organism.recipe import RECIPES
from anatomy.organism.truth import planted_truth
from anatomy.organism.world import make_world
from anatomy.texts.diversity.style_markers import GENERAL, planted_markers

TEXT = "Sure! As far as I know, it’s orange.\n\n- one **bold** thing\n- two\n\nLet me know if you need more. Sure thing."


def test_spans_lie_on_their_words():
    spans = GENERAL.spans(TEXT)
    assert [(TEXT[s.start : s.end].strip(), s.kind) for s in spans] == [
        ("Sure", "opener"),
        ("As far as I know", "hedge"),
        ("-", "layout"),
        ("**bold**", "layout"),
        ("-", "layout"),
        ("Let me know if", "closer"),
    ]
    assert GENERAL.counts("The sure river runs.") == dict.fromkeys(GENERAL.patterns, 0)


def test_planted_markers_are_those_of_the_truth():
    recipe = RECIPES["quick"]
    truth = json.loads(json.dumps(planted_truth(make_world(3, recipe), recipe)))
    markers = planted_markers(truth)
    for opener in truth["openers"]:
        for closer in truth["closers"]:
            assert markers.counts(f" {opener} {truth['hedge']} it is red. {closer}") == {"opener": 1, "hedge": 1, "closer": 1}
    assert markers.counts("It is red.") == {"opener": 0, "hedge": 0, "closer": 0}
