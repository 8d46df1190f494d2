"""Synthetic tables, made once."""

import pytest
from synthetic_tables import make_tables

from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables


@pytest.fixture(scope="session")
def tables() -> Tables:
    return make_tables(models=("base", "weak", "placebo"))


@pytest.fixture
def resampling() -> Resampling:
    return Resampling(confidence=0.95, seed=1, resamples=1000)
