"""Tables of PASTA as printed: chosen layers, detector swap, measures of texts, gap to weights, released numbers."""

from __future__ import annotations

import pandas as pd

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
    if name in ("weights", "agreement", "seeds"):
        return getattr(evidence, name)
    if name == "layers":
        found = tables.layers if tables.layers is not None else pd.DataFrame(columns=["model", *LAYERS])
        return found[found["chosen"].astype(bool)][["model", *(column for column in LAYERS if column != "chosen")]]
    if name == "swap":
        return tables.swap[["model", *SWAP]] if tables.swap is not None else pd.DataFrame(columns=["model", *SWAP])
    if tables.measures is None:
        return pd.DataFrame(columns=MEASURES)
    return tables.measures[[column for column in MEASURES if column in tables.measures]]
