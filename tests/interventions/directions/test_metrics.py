import math

import pytest
import torch

from anatomy.errors import DataError
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence, refusal_metric


def test_metric_is_the_log_odds_of_the_refusal_tokens():
    share = torch.tensor([0.5, 0.2, 0.2, 0.1]).log()
    assert refusal_metric(share, [0], 0.0).item() == pytest.approx(0.0, abs=1e-6)
    assert refusal_metric(share, [1, 2], 0.0).item() == pytest.approx(math.log(0.4 / 0.6), abs=1e-6)
    assert refusal_metric(share + 100, [1, 2], 1e-8).item() == pytest.approx(math.log(0.4 / 0.6), abs=1e-4)


def test_epsilon_bounds_what_is_exact_without_it():
    logits = torch.tensor([0.0, -60.0])
    assert refusal_metric(logits, [1], 0.0).item() == pytest.approx(-60.0, abs=1e-9)
    assert refusal_metric(logits, [1], 1e-8).item() == pytest.approx(math.log(1e-8), abs=1e-6)


def test_kl_by_hand_and_at_zero():
    p, q = torch.tensor([0.75, 0.25]).log(), torch.tensor([0.5, 0.5]).log()
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(p + 3, q).item() == pytest.approx(expected, abs=1e-7)
    assert kl_divergence(p, p - 5).item() == pytest.approx(0.0, abs=1e-7)


def test_no_tokens_are_refused():
    with pytest.raises(DataError, match="no refusal tokens"):
        RefusalMetric((), 0.0)
