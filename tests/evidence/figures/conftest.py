"""Synthetic tables and the rates that charts share."""

import pandas as pd
import pytest
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.rates import benchmark_scores, refusal_rates

OPTIONS = {"confidence": 0.95, "seed": 0, "resamples": 300}


@pytest.fixture(scope="session")
def tables() -> Tables:
    return make_tables(models=("weak", "aligned"), controls=6, items=60)


@pytest.fixture(scope="session")
def rates(tables) -> pd.DataFrame:
    return refusal_rates(tables.judgements, tables.variants, judge="rules", phase="test", **OPTIONS)


@pytest.fixture(scope="session")
def scores(tables) -> pd.DataFrame:
    metrics = {task: metric for task, (metric, _) in TASKS.items()}
    return benchmark_scores(tables.samples, tables.variants, metrics=metrics, phase="test", **OPTIONS)
