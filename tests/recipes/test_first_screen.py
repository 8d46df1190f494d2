"""The first screen of one's own model: sentences that can be quoted, whatever the run came to."""

from dataclasses import replace

import pandas as pd
import pytest
from rosi_study import organism, own_models, whole_evidence

from anatomy.config.methods import Controls
from anatomy.evidence.report.content import PageAnswer, PageCompletions
from anatomy.recipes.rosi.first_screen import first_screens
from anatomy.recipes.rosi.search import Search

CONFIG = own_models()
ASKED = {
    (name, phase): count for name in ("harmful_requests", "benign_requests") for phase, count in (("fit", 64), ("select", 16))
}


def search(outcome="found", tokens=(40,), refusals=30, **more):
    record = {"outcome": outcome, "tokens": list(tokens), "refusals": refusals, "compliances": 160 - refusals, **more}
    return Search(record, ASKED)


@pytest.fixture(scope="module")
def whole():
    return whole_evidence()


def screen_of(evidence, found=None, config=CONFIG, **more):
    """Question to everything that is said under it, of the model `weak`."""
    evidence = replace(evidence, searches={"weak": found or search()}, **more)
    (section,) = first_screens(config, evidence)
    assert section.first and section.title == "weak in short"
    return {item.question: " ".join([*item.sentences, item.code]) for item in section.items if isinstance(item, PageAnswer)}


def said(screen, begins):
    (text,) = [text for question, text in screen.items() if question.startswith(begins)]
    return text


def test_it_says_what_was_asked_and_what_the_model_did(whole):
    screen = screen_of(whole)
    assert "Harmful prompts of harmful_requests.csv" in said(screen, "What was asked")
    assert "64 and 64 to take directions from, 16 and 16 to choose among them, and 24 and 24 to test" in said(
        screen, "What was asked"
    )
    row = whole.rates.query("model == 'weak' and role == 'base' and set == 'harmful_requests'").iloc[0]
    assert f"{round(row['rate'] * row['n'])} of {row['n']} harmful requests" in said(screen, "What the model did")
    assert "refused 30 of the 160 other prompts" in said(screen, "What the model did")


@pytest.mark.parametrize(
    ("refusals", "words"),
    [
        (0, "weak refused 0 of 160 requests, so there is no refusal to find a direction for."),
        (3, "weak refused 3 of 160 requests, fewer than the 5 that are needed"),
        (20, "weak refused 20 of 160 requests, but its refusals begin with no token"),
    ],
)
def test_without_refusal_tokens_it_says_why_and_what_to_do(whole, refusals, words):
    screen = screen_of(whole, search("none found", (), refusals), config=CONFIG.model_copy(update={"extraction": PLAIN}))
    assert words in said(screen, "Whether") and "candidate" not in said(screen, "Whether")
    assert "No edit was searched for" in said(screen, "What an edit")
    wanted = "refusal_tokens: published" if refusals == 20 else "--system-prompt"
    assert wanted in said(screen, "What to do next")


PLAIN = CONFIG.extraction.model_copy(update={"contrasts": {**CONFIG.extraction.contrasts, "aligned": ["plain"]}})


def test_a_direction_is_told_with_its_scores(whole):
    grid = whole.tables.grid
    row = grid[(grid["model"] == "weak") & (grid["contrast"] == "plain") & (grid["position"] == -1) & (grid["layer"] == 3)].iloc[
        0
    ]
    text = said(screen_of(whole), "Whether")
    assert text.startswith("Yes") and f"to {row['bypass']:.2f}" in text and f"by {row['kl']:.3f} nats" in text


def test_where_none_passes_the_rule_the_nearest_is_told_with_the_reasons(whole):
    grid = whole.tables.grid
    own = grid[(grid["model"] == "weak") & (grid["contrast"] == "plain")]
    lowest = own.loc[own["bypass"].idxmin()]
    nearest = {"outcome": "nearest", "position": int(lowest["position"]), "layer": int(lowest["layer"])}
    text = said(screen_of(whole, directions={("weak", "plain"): nearest}), "Whether")
    assert text.startswith(f"No: none of {len(own)} candidate directions") and f"{own['bypass'].min():.2f}" in text
    assert "at least 0 and at most 0.1" in text and "nearest direction (ours)" in text


def test_reasons_are_counted_without_the_prompts_that_each_was_read_on(whole):
    grid = whole.tables.grid.copy()
    own = (grid["model"] == "weak") & (grid["contrast"] == "plain")
    cells = grid.index[own]
    grid.loc[cells, ["kept", "reason"]] = [False, "induce < 0"]
    grid.loc[cells[:3], "reason"] = [f"induce < 0 on {count} prompts" for count in (4, 8, 24)]
    nearest = {"outcome": "nearest", "position": -1, "layer": 3}
    screen = screen_of(whole, tables=whole.tables.but(grid=grid), directions={("weak", "plain"): nearest})
    assert f"What they failed on: {len(cells)} (induce < 0)." in said(screen, "Whether")


def test_tokens_from_elsewhere_are_named_as_such(whole):
    text = said(screen_of(whole, search("phrases", source="the first tokens of 12 common refusals (ours)")), "Whether")
    assert "the first tokens of 12 common refusals (ours), not by those of the model's own" in text


def test_edits_are_told_with_intervals_and_missing_ones_with_the_reason(whole):
    text = said(screen_of(whole), "What an edit changes")
    assert "The paper's edit (layer" in text and "% interval" in text and "of each matrix's norm" in text
    for name in CONFIG.evaluation.lookalikes:
        assert f"refusals of {name}, which only looks harmful, go from" in text
    assert "control directions brought" in text
    assert all(f"{task} " in text and "items)" in text for task in whole.metrics)
    gone = whole.tables.variants
    tables = whole.tables.but(variants=gone[gone["family"] != "projection"])
    reason = "refuses more benign requests by +0.400 [+0.200, +0.600], limit 0.05"
    row = {"model": "weak", "family": "projection", "picked": False, "layer": 3, "strength": 1.0, "reason": reason}
    text = said(screen_of(whole, tables=tables.but(picks=pd.DataFrame([row]))), "What an edit changes")
    assert f"no pick: on the select split weak under projection (layer 3, strength 1) {reason}" in text


def test_a_checkpoint_is_offered_only_where_an_edit_helped(whole):
    config = CONFIG.model_copy(update={"extraction": CONFIG.extraction.model_copy(update={"controls": MANY})})
    assert "snakemake export" in said(screen_of(whole, config=config), "What to do next")
    rows = whole.tables.judgements
    names = whole.tables.variants.query("role == 'method'")["variant"]
    unmoved = rows.assign(label=rows["label"].mask(rows["variant"].isin(names), "none"))
    text = said(screen_of(whole, config=config, tables=whole.tables.but(judgements=unmoved)), "What to do next")
    assert "No edit raised the refusal" in text and "export" not in text


MANY = Controls(isotropic=7, covariance=6, shuffled=6)


def test_what_cannot_be_decided_follows_from_the_numbers_tested(whole):
    assert "24 test prompts" in said(screen_of(whole), "What this run cannot decide")


def test_examples_withhold_what_the_page_withholds(whole):
    (section,) = first_screens(CONFIG, replace(whole, searches={"weak": search()}))
    (shown,) = [item for item in section.items if isinstance(item, PageCompletions)]
    assert 2 <= len(shown.exchanges) <= 4
    harmful = [one for one in shown.exchanges if one.answers[0].label not in ("full",) and one.answers[0].redacted]
    texts = whole.tables.completions.query("model == 'weak' and variant == 'base'").set_index("id")["response"]
    for one in harmful:
        assert one.answers[0].text.startswith("withheld") and texts[one.id] not in one.answers[0].text


def test_the_organism_has_no_first_screen(whole):
    assert not first_screens(organism((0,)), whole)
