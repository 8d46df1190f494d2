"""The table of the screen: a row a candidate, with what it would bring and cost, and its place in the shortlist."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import LowRankSpec
from anatomy.recipes.rosi.families import Family
from anatomy.recipes.rosi.limits import intervals_of
from anatomy.recipes.rosi.rules import rank_candidates
from anatomy.recipes.rosi.stages.first_token import Reader
from anatomy.recipes.rosi.stages.first_token_answers import Read

PINS: tuple[str, ...] = ("scipy",)

COLUMNS = [
    "model",
    "family",
    "form",
    "contrast",
    "control",
    "control_seed",
    "position",
    "layer",
    "strength",
    "sign",
    "harmful_metric",
    "harmful_refused",
    "harmful_rise",
    "benign_refused",
    "benign_rise",
    "benign_rise_low",
    "benign_rise_high",
    "benign_kl",
    "n_harmful",
    "n_benign",
    "place",
    "reason",
]


def family_rows(
    subject: Subject, family: Family, space: Mapping[str, LowRankSpec], read: Mapping[str, Read], base: Read
) -> pd.DataFrame:
    """One row a candidate of a family, by its name; numbers are of the prompts that it was asked."""
    rows = {
        name: {
            "model": subject.id,
            "family": family.name,
            "form": family.method,
            "contrast": family.contrast,
            "control": family.control,
            "control_seed": family.control_seed,
            "position": edit["direction"]["position"],
            "layer": edit["direction"]["layer"],
            "strength": edit["strength"],
            "sign": edit["sign"],
            **_numbers(read[name], base),
        }
        for name, edit in space.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def unedited_row(subject: Subject, base: Read) -> pd.DataFrame:
    """The row of the model as it is."""
    nothing = {"contrast": "", "control": "", "control_seed": -1, "position": -1, "layer": -1, "strength": 0.0, "sign": 0}
    bounds = {"benign_rise_low": 0.0, "benign_rise_high": 0.0, "place": 0, "reason": "unedited"}
    return pd.DataFrame([{"model": subject.id, "family": "base", "form": "base", **nothing, **_numbers(base, base), **bounds}])


def ranked(config: Config, rows: pd.DataFrame, read: Mapping[str, Read], base: Read, reader: Reader) -> pd.DataFrame:
    """The rows with bounds, places and reasons; candidates that were not asked every prompt have neither bounds nor a place."""
    whole = rows[(rows["n_harmful"] == reader.counts["harmful"]) & (rows["n_benign"] == reader.counts["benign"])]
    changes = np.stack([read[str(name)].rises(base)[1] for name in whole.index])
    intervals = intervals_of(changes, reader.groups["benign"], config.statistics)
    whole = whole.assign(benign_rise_low=[one.low for one in intervals], benign_rise_high=[one.high for one in intervals])
    whole = rank_candidates(whole, config.rosi.max_benign_rise, config.rosi.shortlist)
    left = rows.drop(whole.index)
    why = [f"not among the best after {row.n_harmful} harmful and {row.n_benign} benign prompts" for row in left.itertuples()]
    nothing = {"benign_rise_low": float("nan"), "benign_rise_high": float("nan"), "place": 0}
    return pd.concat([whole, left.assign(**nothing, reason=why)]).loc[rows.index] if len(left) else whole.loc[rows.index]


def dose(rows: pd.DataFrame) -> list[str]:
    """Names of a family's candidates at the layer and sign of its best: what its curve over strengths is drawn from."""
    whole = rows[rows["place"] == 1]
    best = whole.iloc[0] if len(whole) else rows.sort_values(["n_harmful", "harmful_rise"]).iloc[-1]
    return [str(name) for name in rows.index[(rows["layer"] == best["layer"]) & (rows["sign"] == best["sign"])]]


def listed(rows: pd.DataFrame) -> list[str]:
    """Names of the candidates in the shortlist, best first."""
    return [str(name) for name in rows[rows["place"] > 0].sort_values("place").index]


def _numbers(read: Read, base: Read) -> dict[str, float]:
    harmful, benign = read.rises(base)
    return {
        "harmful_metric": float(read.harmful.mean()),
        "harmful_refused": float((read.harmful > 0).mean()),
        "harmful_rise": float(harmful.mean()),
        "benign_refused": float((read.benign > 0).mean()),
        "benign_rise": float(benign.mean()),
        "benign_kl": float(read.benign_kl.mean()),
        "n_harmful": len(read.harmful),
        "n_benign": len(read.benign),
    }
