"""Two tiny models that share a tokenizer, as scorers."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.models.scorer import Scorer, open_scorer
from anatomy.texts.detectors.pair import Reading, ScorerPair


@pytest.fixture(scope="session")
def reading() -> Reading:
    return Reading(token_budget=64, min_tokens=4)


@pytest.fixture(scope="session")
def observer(tmp_path_factory) -> Scorer:
    return open_scorer(make_tiny_model(tmp_path_factory.mktemp("observer"), seed=5, layers=2), torch.float32, "cpu")


@pytest.fixture(scope="session")
def performer(tiny) -> Scorer:
    return Scorer(tiny.model, tiny.tokenizer, tiny.digest)


@pytest.fixture(scope="session")
def pair(observer, performer) -> ScorerPair:
    return ScorerPair(observer, performer)
