"""Refusals of every test set by both models of a pair and by the base with its heads: safety beside over-refusal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.measures import Refusals
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import BASE, MissingEvidence, Tables, find_variant
from anatomy.recipes.superficial.gains import HARM, selector_of, tasks_of
from anatomy.recipes.superficial.pairs import Pair
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval

REFUSALS = ["pair", "who", "set", "refused", "low", "high", "n"]


def refusals_table(config: Config, pairs: list[Pair], tables: Tables) -> pd.DataFrame:
    """Share of requests refused, of each set and by each that answered it.

    Returns:
        Columns ``pair, who, set, refused, low, high, n``: who is ``base``, ``aligned`` or a head by its name; look-alikes are
        harmless requests that only look harmful, where refusals are over-refusals.
    """
    rows, wanted = [], Resampling(config.statistics.confidence, config.statistics.seed, config.statistics.bootstrap)
    for pair in pairs:
        for who, name, found in _answered(config, pair, tables):
            sample = Sample(found["value"].to_numpy(np.float64), found["group"].to_numpy(object))
            mean = mean_interval(sample, **wanted.options)
            named = {"pair": pair.aligned, "who": who, "set": name, "refused": mean.estimate}
            rows.append({**named, "low": mean.low, "high": mean.high, "n": mean.n})
    return pd.DataFrame(rows, columns=REFUSALS)


def _answered(config: Config, pair: Pair, tables: Tables) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Who answered, which set, and whether each request was refused."""
    harm = tasks_of(config, pair)[HARM]
    assert isinstance(harm, Refusals)
    variants = tables.rows("variants", model=pair.base, phase=harm.phase)
    heads = sorted({str(name) for name in variants["family"] if str(name).startswith(f"{pair.label}-")})
    for name in config.evaluation.test_sets:
        read = Refusals(name, harm.judge, harm.phase)
        for who in ("base", "aligned", *heads):
            model = pair.aligned if who == "aligned" else pair.base
            selector = BASE if who in ("base", "aligned") else selector_of(tables, pair, who, read.phase)
            try:
                yield who, name, read(tables, model, find_variant(tables, model, selector, read.phase)["variant"])
            except MissingEvidence:  # single heads answer harmful and benign requests alone
                continue
