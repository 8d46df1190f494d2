"""Tables of PASTA as printed: chosen layers, detector swap, measures of texts, divergence of each edit, gap to weights, released
numbers."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.resampling import ResamplingOptions
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.rates import mean_divergences
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.localise import LAYERS, SWAP
from anatomy.recipes.pasta.published import beside_ours

MEASURES = ["pair", "model", "variant", "domain", "kind", "measure", "value", "low", "high", "n", "excluded"]
RELEASED = ["quantity", "model", "detector", "category", "released", "ours"]


def tabulate(name: str, evidence: Evidence) -> pd.DataFrame:
    """One of ``plans.TABLES``; with its columns and no rows where the run has no evidence."""
    tables = evidence.tables
    if name == "published":
        return beside_ours(evidence.published, tables) if evidence.published is not None else pd.DataFrame(columns=RELEASED)
    if name in ("weights", "agreement", "seeds", "divergence"):
        return getattr(evidence, name)
    if name == "layers":
        found = tables.layers if tables.layers is not None else pd.DataFrame(columns=["model", *LAYERS])
        return found[found["chosen"].astype(bool)][["model", *(column for column in LAYERS if column != "chosen")]]
    if name == "swap":
        return tables.swap[["model", *SWAP]] if tables.swap is not None else pd.DataFrame(columns=["model", *SWAP])
    if tables.measures is None:
        return pd.DataFrame(columns=MEASURES)
    return tables.measures[[column for column in MEASURES if column in tables.measures]]


DIVERGENCE = ["model", "variant", "role", "family", "control", "measure", "kl", "low", "high", "n", "clusters"]


def divergence_table(config: Config, tables: Tables) -> pd.DataFrame:
    """How far each edit at all positions moves predictions on harmless requests; no row where that was not measured.

    Returns:
        Columns ``DIVERGENCE``: nats from the unedited model, at the first token and over several, over groups of requests.
    """
    if tables.divergences is None or tables.variants is None:
        return pd.DataFrame(columns=DIVERGENCE)
    wanted = config.statistics
    sampled: ResamplingOptions = {"confidence": wanted.confidence, "seed": wanted.seed, "resamples": wanted.bootstrap}
    found = mean_divergences(tables.divergences, tables.variants, phase="test", **sampled)
    return found.rename(columns={"rate": "kl"})[DIVERGENCE]
