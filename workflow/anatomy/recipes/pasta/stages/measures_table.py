"""One tidy table of everything measured of texts: detection, affinity, diversity, style, quality, safety.

There is one table a pair, by the name of its aligned model (``judge/<aligned>/pasta.test.measures.parquet``). It holds the
humans, the base and the aligned model with all its variants, measured alike: ``model`` says whose text a row is about, and the
humans' rows have the base's name and the variant, slug and role ``human``. A base that several pairs share is measured with each,
by that pair's own references: ``pair`` keeps them apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from anatomy.errors import DataError
from anatomy.texts.authors import HUMAN

MEASURE_COLUMNS = (
    "pair",
    "model",
    "variant",
    "slug",
    "role",
    "family",
    "control",
    "domain",
    "measure",
    "kind",
    "value",
    "low",
    "high",
    "n",
    "excluded",
)
KINDS = ("detector", "affinity", "diversity", "style", "quality", "safety")
ALL = "all"
"""The domain that stands for all of them together."""
KEY = ["pair", "model", "variant", "domain", "kind", "measure"]


def measures_table(pair: str, summaries: Mapping[str, pd.DataFrame], variants: pd.DataFrame) -> pd.DataFrame:
    """Summaries of several kinds as one table.

    A detector has three measures: its name (mean probability that a machine wrote the text; higher is more machine-like with
    every detector), ``<name>_flagged`` (share flagged) and ``<name>_score`` (its own number, whose side differs between
    detectors).

    Args:
        pair: id of its aligned model.
        summaries: kind, one of ``KINDS``, to a summary with ``model, variant, category, measure, estimate, low, high, n,
            excluded``; ``category`` is a domain or ``all``.
        variants: the variants table of the phase, with ``slug, role, family, control`` of each.

    Returns:
        Columns ``MEASURE_COLUMNS``, one row a model, variant, domain, kind and measure of the pair, sorted; ``excluded`` texts
        had no number and are in no mean. Detectors have names of the user's choice, so that ``kind`` is part of the key.

    Raises:
        DataError: an unknown kind, a variant that the variants table lacks, or a measure twice.
    """
    if unknown := sorted(set(summaries) - set(KINDS)):
        raise DataError(found=f"kinds {unknown}", expected=f"some of {KINDS}", where="the table of measures")
    rows = pd.concat([summary.assign(kind=kind) for kind, summary in summaries.items()], ignore_index=True)
    rows = rows.rename(columns={"category": "domain", "estimate": "value"})
    known = variants.drop_duplicates("variant").set_index("variant")
    described = {name: rows["variant"].map(known[name]) for name in ("slug", "role", "family", "control")}
    ours = rows["variant"] == HUMAN
    if (lost := described["role"].isna() & ~ours).any():
        raise DataError(
            found=f"variant {rows.loc[lost, 'variant'].iloc[0]!r}",
            expected="one of the variants table",
            where="the table of measures",
            remedy="make both tables from one pass",
        )
    rows = rows.assign(**described, pair=pair)
    rows.loc[ours, ["slug", "role", "family", "control"]] = [HUMAN, HUMAN, "", ""]
    if (twice := rows.duplicated(KEY)).any():
        raise DataError(
            found=f"{rows.loc[twice, KEY].iloc[0].to_dict()} twice", expected="every measure once", where="the table of measures"
        )
    types = {"value": "float64", "low": "float64", "high": "float64", "n": "int64", "excluded": "int64"}
    return rows[list(MEASURE_COLUMNS)].astype(types).sort_values(KEY, ignore_index=True)
