"""Onset, style and targeted suppression on tables in which the answer was planted."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import steering_figures, steering_table
from anatomy.recipes.mechanisms.survey_claims import beyond_even, most, survey_claims

MODEL, PROMPTS = "aligned.s0", 70


@pytest.fixture(scope="module")
def config():
    return check_config({"statistics": {"bootstrap": 200}}, "a test")


def tables_of(*, onset=4.0, style=3.0, other=0.1, refusal=4.0, fall=12.0, random=0.1, loss=0.0, leans=0.0, plain=None, tokens=16):
    """Answers and steered prompts; ``plain``: KL at the onset after the bare prompt, where it is another than in the template."""
    generator = np.random.default_rng(0)
    moved, steered, answers = [], [], []
    for n in range(PROMPTS):
        name, group = f"p{n}", f"g{n}"
        for wording, begins in (("template", onset), ("plain", onset if plain is None else plain)):
            for place in range(tokens):
                kind = "style" if place % 6 == 5 else "content"
                kl = max(0.0, (begins if place < 5 else style if kind == "style" else other) + generator.normal(scale=0.02))
                moved.append((name, group, "harmless", wording, place, kind, kl, False))
        for side, metric in (("harmful", refusal), ("harmless", -9.0)):
            here = metric + generator.normal(scale=0.1)
            after = {"refusal": here - fall if side == "harmful" else here + 20 * leans, "random": here + random, "flipped": here}
            steered.append((name, group, side, "none", "", "", np.nan, here, 0.0))
            steered += [(name, group, side, "cap", "every", one, 0.0, value, 0.01) for one, value in after.items()]
        lost = 0.2 + generator.normal(scale=0.01)
        answers.append((name, group, "none", "", "", np.nan, lost, 0.0, 8))
        for one, more in (("refusal", loss), ("random", 0.0), ("flipped", 0.0)):
            answers.append((name, group, "cap", "every", one, 0.0, lost + more + generator.normal(scale=0.001), 0.0, 8))
    pairs = pd.DataFrame({"way": "denoise", "id": [f"p{n}" for n in range(PROMPTS)], "clean": 5.0, "corrupt": -9.0})
    keys = ["mode", "layers", "direction", "dose"]
    named = {
        "moved": pd.DataFrame(moved, columns=["id", "group", "side", "wording", "position", "kind", "kl", "agrees"]),
        "suppression": pd.DataFrame(steered, columns=["id", "group", "side", *keys, "metric", "kl"]),
        "steered_answers": pd.DataFrame(answers, columns=["id", "group", *keys, "nll", "kl", "tokens"]),
        "patching": pairs.assign(group=pairs["id"]),
    }
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def verdicts(config, tables):
    subject = next(one for one in subjects(config) if one.id == MODEL)
    ledger = evaluate_ledger(survey_claims(config, subject), tables, seed=0, resampling=Resampling(0.95, 0, 200))
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


def test_what_was_planted_is_supported(config):
    assert verdicts(config, tables_of()) == {"onset_and_style": Verdict.SUPPORTED, "suppressed": Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("planted", "claim", "verdict"),
    [
        ({"onset": 0.1}, "onset_and_style", Verdict.NOT_SUPPORTED),
        ({"style": 0.05, "other": 3.0}, "onset_and_style", Verdict.NOT_SUPPORTED),
        ({"onset": 0.0, "style": 0.0, "other": 0.0}, "onset_and_style", Verdict.NOT_TESTABLE),
        ({"plain": 0.0}, "onset_and_style", Verdict.NOT_SUPPORTED),
        ({"tokens": 5}, "onset_and_style", Verdict.NOT_TESTABLE),
        ({"fall": 0.0}, "suppressed", Verdict.NOT_SUPPORTED),
        ({"random": -14.0}, "suppressed", Verdict.NOT_SUPPORTED),
        ({"loss": 0.5}, "suppressed", Verdict.NOT_SUPPORTED),
        ({"leans": 1.0}, "suppressed", Verdict.NOT_SUPPORTED),
        ({"refusal": -7.0}, "suppressed", Verdict.NOT_TESTABLE),
    ],
)
def test_the_opposite_is_not(config, planted, claim, verdict):
    assert verdicts(config, tables_of(**planted))[claim] == verdict


@pytest.mark.parametrize("tokens", [7, 16, 64])
def test_an_even_divergence_is_on_no_token_most_however_long_answers_are(tokens):
    tables = tables_of(tokens=tokens)
    rows = tables.named["moved"]
    even = tables.but(moved=rows.assign(kl=1.0))
    for plain in (False, True):
        assert beyond_even(MODEL, plain)(even).sample.values == pytest.approx(0.0)
        assert (beyond_even(MODEL, plain)(tables).sample.values > 0).all()
        if tokens == 7:  # six of seven tokens are onset and style
            with pytest.raises(MissingEvidence):
                most(MODEL, plain)(even)
        else:
            assert (most(MODEL, plain)(even).sample.values < 0).all()
    alike = tables.but(moved=rows.assign(kl=0.0))
    with pytest.raises(MissingEvidence):
        beyond_even(MODEL, False)(alike)


def test_a_model_without_a_template_is_read_once(config):
    tables = tables_of()
    rows = tables.named["moved"]
    assert verdicts(config, tables.but(moved=rows[rows["wording"] == "plain"]))["onset_and_style"] == Verdict.SUPPORTED


def test_without_a_base_or_a_direction_nothing_can_be_tested(config):
    full = tables_of()
    empty = full.but(**{name: full.named[name].iloc[:0] for name in ("moved", "suppression", "steered_answers")})
    assert set(verdicts(config, empty).values()) == {Verdict.NOT_TESTABLE}


def own_tokens(answers):
    return answers.assign(tokens=[1 + n % 7 for n in range(len(answers))])


def test_perplexity_weighs_tokens_and_figures_are_drawn(config):
    tables = tables_of()
    prompts, answers = tables.named["suppression"], tables.named["steered_answers"]
    table = steering_figures.modes_table(prompts, answers.assign(tokens=[1 + n % 7 for n in range(len(answers))]))
    own = answers.assign(tokens=[1 + n % 7 for n in range(len(answers))])
    own = own[own["direction"] == "refusal"]
    found = table[(table["quantity"] == "perplexity") & (table["direction"] == "refusal")]["value"].item()
    assert found == pytest.approx(np.exp((own["nll"] * own["tokens"]).sum() / own["tokens"].sum()))
    for chart in (steering_figures.modes(prompts, answers), steering_figures.moved(tables.named["moved"])):
        assert chart.to_dict()["config"]
    assert steering_table.steered(config, tables.but(modes=prompts.iloc[:0], steered_answers=answers.iloc[:0]), MODEL).empty
    means = table.set_index([*steering_figures.KEYS, "side", "quantity"])["value"]
    found = steering_table.steered(config, tables.but(modes=prompts, steered_answers=own_tokens(answers)), MODEL)
    numbers = found.set_index([*steering_figures.KEYS, "side", "quantity"])
    assert numbers["value"].to_dict() == pytest.approx(means.to_dict())
    assert ((numbers["low"] <= numbers["value"]) & (numbers["value"] <= numbers["high"])).all()
