"""Top layers of causal instruments beside the pick and beside exchanged blocks, on tables in which the layer was planted."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.evidence import Places
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.places import place_near
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import agreement_claims as agreement
from anatomy.recipes.mechanisms.agreement_claims import CAUSAL, agreement_claims, tops_table

LAYERS, PAIRS = 6, 24
DRAWS = Resampling(0.95, 0, 2000)


@pytest.fixture(scope="module")
def config():
    return check_config({"statistics": {"bootstrap": 200}}, "a test")


def tables_of(model="aligned.s0", *, block=2, trained=2, pick=3, noise=0.02, outcome="picked", gap=8.0, more=10.0):
    """A model in which one block writes refusal, another was trained to, and a third layer was picked."""
    generator = np.random.default_rng(0)
    patches, heads, lens, steered, swapped = [], [], [], [], []
    for n in range(PAIRS):
        name, group = f"p{n}", f"g{n // 2}"
        for layer in range(LAYERS):
            for part in ("stream", "attention", "mlp"):
                here = float(layer > block if part == "stream" else layer == block) + generator.normal(scale=noise)
                patches.append((part, layer, -1, "denoise", gap, 0.0, here, here, name, group))
            for head in (0, 1):
                value = (layer == block) * (head == 1) + generator.normal(scale=noise)
                heads.append(("top", 1, layer, head, "total", "denoise", gap, 0.0, value, name, group))
            for direction, rise in (("refusal", 4.0 * (layer == block + 1)), ("random", 0.1)):
                steered.append((name, group, layer, direction, 0.0, rise + generator.normal(scale=noise)))
            here = 1 / LAYERS if trained is None else float(layer == trained)
            lost = here + generator.normal(scale=noise)
            swapped.append((name, group, layer, more - 9.0, -9.0, 0.0, 0.0, lost * more, lost))
        lens += [(name, layer, "logit", float(layer), 0.5, "harmful", group) for layer in range(LAYERS + 1)]
    doses = [
        (name, dose, dose * (5.0 if one == "refusal" else 0.1), 0.1, "harmless", one, group)
        for name, group in ((f"p{n}", f"g{n // 2}") for n in range(PAIRS))
        for one in ("refusal", "random")
        for dose in (-1.0, 0.0, 1.0)
    ]
    probes = [(f"{label}{n}", f"{label}{n}", label, float(label), "logistic", 0, "") for label in (True, False) for n in range(4)]
    paths = ["role", "place", "sender_layer", "sender_head", "path", "way", "clean", "corrupt", "recovery", "id", "group"]
    columns = ["part", "layer", "column", "way", "clean", "corrupt", "recovery", "predicted", "id", "group"]
    named = {
        "patching": pd.DataFrame(patches, columns=columns),
        "paths": pd.DataFrame(heads, columns=paths),
        "lens": pd.DataFrame(lens, columns=["id", "layer", "lens", "metric", "probability", "side", "group"]),
        "layer_steering": pd.DataFrame(steered, columns=["id", "group", "layer", "direction", "metric", "rise"]),
        "transplants": pd.DataFrame(
            swapped, columns=["id", "group", "layer", "own", "base", "upwards", "downwards", "taken", "lost"]
        ),
        "steering": pd.DataFrame(doses, columns=["id", "dose", "metric", "kl", "side", "direction", "group"]),
        "probes": pd.DataFrame(probes, columns=["id", "group", "label", "score", "probe", "layer", "control"]),
        "picked": pd.DataFrame([{"outcome": outcome, "position": -1, "layer": pick}]),
    }
    return Tables(**{name: table.assign(model=model) for name, table in named.items()})


def verdicts(config, model="aligned.s0", **planted):
    subject = next(one for one in subjects(config) if one.id == model)
    ledger = evaluate_ledger(agreement_claims(config, subject), tables_of(model, **planted), seed=0, resampling=DRAWS)
    found = {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}
    return {kind: {one for name, one in found.items() if name.startswith(kind)} for kind in ("near_pick", "near_truth")}


def test_instruments_that_find_the_pick_and_the_trained_block_agree(config):
    assert verdicts(config) == {"near_pick": {Verdict.SUPPORTED}, "near_truth": {Verdict.SUPPORTED}}
    table = tops_table(config, tables_of(), "aligned.s0")
    assert set(table["layer"]) == {3} and len(table) == len(CAUSAL) + 2


def test_a_premise_counts_against_no_claim(config):
    subject = next(one for one in subjects(config) if one.id == "aligned.s0")
    asked = agreement_claims(config, subject)
    ledger = evaluate_ledger(asked, tables_of(), seed=0, resampling=DRAWS)
    assert len(ledger) == 2 * len(CAUSAL) and ledger["p"].isna().all() and ledger["p_holm"].isna().all()


def test_no_draw_with_a_place_is_no_interval(config, monkeypatch):
    monkeypatch.setattr(agreement, "resampled", lambda values, codes, weights: np.full((len(weights), values.shape[1]), np.nan))
    assert tops_table(config, tables_of(), "aligned.s0")[["low", "high"]].isna().all(axis=None)
    assert set().union(*verdicts(config).values()) == {Verdict.NOT_TESTABLE}


def test_a_pick_elsewhere_is_not_found_and_a_block_elsewhere_is_not_true(config):
    assert verdicts(config, pick=5) == {"near_pick": {Verdict.NOT_SUPPORTED}, "near_truth": {Verdict.SUPPORTED}}
    assert verdicts(config, trained=5)["near_truth"] == {Verdict.NOT_SUPPORTED}


def test_without_a_kept_direction_a_gap_or_a_trained_base_nothing_can_be_tested(config):
    assert verdicts(config, outcome="nearest")["near_pick"] == {Verdict.NOT_TESTABLE}
    assert set().union(*verdicts(config, gap=-1.0).values()) == {Verdict.NOT_TESTABLE}
    assert verdicts(config, trained=None)["near_truth"] <= {Verdict.NOT_TESTABLE, Verdict.INCONCLUSIVE}
    assert verdicts(config, model="base.s0")["near_truth"] == {Verdict.NOT_TESTABLE}


def test_a_prompt_on_which_model_and_base_agree_does_not_say_where_refusal_was_trained(config):
    """Its share may be of any size: means of ratios would put the truth into the last block."""
    tables = tables_of()
    rows = tables.named["transplants"]
    odd = (rows["id"] == "p0") & (rows["layer"] == LAYERS - 1)
    rows.loc[rows["id"] == "p0", "own"] = rows.loc[rows["id"] == "p0", "base"] + 0.001
    rows.loc[odd, ["taken", "lost"]] = 0.5, 500.0
    assert rows.groupby("layer")["lost"].mean().idxmax() == LAYERS - 1
    subject = next(one for one in subjects(config) if one.id == "aligned.s0")
    place = agreement.top_beside_truth(config, subject, "patch mlp")(tables)
    assert (place.chosen, place.target) == (3, 3) and not place.distances.any()
    table = tops_table(config, tables, "aligned.s0").set_index("instrument")
    assert table.loc["exchange of blocks for the base's", ["layer", "low", "high"]].tolist() == [3, 3, 3]


def test_a_model_that_refuses_no_more_than_its_base_has_no_trained_place(config):
    assert verdicts(config, more=-10.0) == {"near_pick": {Verdict.SUPPORTED}, "near_truth": {Verdict.NOT_TESTABLE}}
    subject = next(one for one in subjects(config) if one.id == "aligned.s0")
    assert agreement.top_beside_truth(config, subject, "patch mlp")(tables_of(more=-10.0)).distances.size == 0


def test_the_pick_is_told_to_be_taken_as_it_is(config):
    subject = next(one for one in subjects(config) if one.id == "aligned.s0")
    picks = [claim for claim in agreement_claims(config, subject) if ".near_pick." in claim.id]
    assert all("this pick" in one.sentence and "this pick" in one.tests[-1].statistic for one in picks) and picks


def test_a_place_that_wanders_is_undecided():
    def judged(chosen, distances):
        return place_near(Places(chosen, 3, np.array(distances, float), 10, 10), DRAWS, reach=1)

    assert judged(3, [0] * 80 + [3] * 20).verdict == Verdict.INCONCLUSIVE
    assert judged(6, [3] * 80 + [0] * 20).verdict == Verdict.INCONCLUSIVE
    assert judged(6, [3] * 99 + [0]).verdict == Verdict.NOT_SUPPORTED
    few = place_near(Places(3, 3, np.zeros(100), 8, 4), DRAWS, reach=1)
    assert few.verdict == Verdict.INCONCLUSIVE and "4 groups, 5 needed" in few.reason
    assert place_near(Places(9, 3, np.full(100, 6.0), 8, 4), DRAWS, reach=1).verdict == Verdict.INCONCLUSIVE
    assert judged(3, []).verdict == Verdict.NOT_TESTABLE
    found = judged(4, [1] * 99 + [3])
    assert found.verdict == Verdict.SUPPORTED and (found.estimate, found.low, found.high) == (1, 1, 1)
