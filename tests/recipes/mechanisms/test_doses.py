"""Doses along a direction on which both kinds of prompt have the same projection, as before the first block at a shared token."""

import pandas as pd
import pytest
import torch

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.interventions.instruments.logit_lens import last_streams
from anatomy.interventions.instruments.sparse_autoencoder import SparseAutoencoder
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.claims import claims_of
from anatomy.recipes.mechanisms.feature_claims import feature_claims
from anatomy.recipes.mechanisms.stages.features import steered_by_features
from anatomy.recipes.mechanisms.stages.looked import Looked
from anatomy.recipes.mechanisms.stages.looking import _steered

MODEL, LAST, REFUSAL = "aligned.s0", 4, [3, 5]
CONFIG = check_config({"mechanisms": {"features": {"random": 2}}, "statistics": {"bootstrap": 100}}, "a test")


def asked(side, first):
    """Prompts that all end with one token: their streams there are alike before the first block."""
    table = pd.DataFrame({"id": [f"{side}{n}" for n in range(3)], "group": [f"{side}{n}" for n in range(3)]})
    return Looked(table, [[1, first + n, LAST] for n in range(3)])


@pytest.fixture
def prompts():
    return {"harmful": asked("harmful", 9), "harmless": asked("harmless", 20)}


def drawn(tiny, seed):
    return torch.nn.functional.normalize(torch.randn(tiny.d_model, generator=torch.Generator().manual_seed(seed)), dim=0)


def judged(claims, tables):
    ledger = evaluate_ledger(claims, tables, seed=0, resampling=Resampling(0.95, 0, 100))
    return dict(zip(ledger["claim"].str.removeprefix("mechanisms."), ledger["verdict"], strict=True))


def subject():
    return next(one for one in subjects(CONFIG) if one.id == MODEL)


def test_every_dose_has_its_rows_where_all_are_nothing(tiny, prompts):
    last = {side: last_streams(tiny, one.tokens, 100, one.ids) for side, one in prompts.items()}
    directions = {"refusal": drawn(tiny, 0), "random": drawn(tiny, 1)}
    rows = _steered(CONFIG, tiny, last, prompts, REFUSAL, directions, 0)
    assert set(rows["dose"]) == {*CONFIG.mechanisms.doses} and not rows.duplicated(["id", "direction", "dose"]).any()
    assert rows.groupby(["id", "direction"])["metric"].nunique().eq(1).all(), "a dose of no length changes nothing"
    found = judged(claims_of(CONFIG, subject()), Tables(steering=rows.assign(model=MODEL)))
    assert found["steered"] != Verdict.SUPPORTED


def test_features_are_judged_where_a_dose_has_no_length(tiny, prompts):
    weight = torch.stack([drawn(tiny, seed) for seed in range(4)])
    coder = SparseAutoencoder(weight, torch.zeros(4), weight, torch.zeros(tiny.d_model), active=2)
    rows = steered_by_features(CONFIG, tiny, coder, 0, 1, range(4), drawn(tiny, 0), prompts, prompts, REFUSAL)
    assert set(rows["dose"]) == {-1.0, 0.0, 1.0}
    found = judged(feature_claims(CONFIG, subject()), Tables(feature_steering=rows.assign(model=MODEL)))
    assert found["feature_steers"] != Verdict.SUPPORTED
