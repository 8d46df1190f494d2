"""Two tiny models that share a tokenizer, as scorers."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.texts.detectors.pair import Reading, ScorerPair
from anatomy.texts.detectors.scorer import Scorer, as_scorer, open_scorer


@pytest.fixture(scope="session")
def reading() -> Reading:
    return Reading(token_budget=64, min_tokens=4)


@pytest.fixture(scope="session")
def observer(tmp_path_factory) -> Scorer:
    return open_scorer(make_tiny_model(tmp_path_factory.mktemp("observer"), seed=5, layers=2), torch.float32, "cpu")


@pytest.fixture(scope="session")
def performer(tiny) -> Scorer:
    return as_scorer(tiny)


@pytest.fixture(scope="session")
def pair(observer, performer) -> ScorerPair:
    return ScorerPair(observer, performer)
