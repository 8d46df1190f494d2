"""From the layer sweep to each detector's layer, the operating point and the layers inside domains."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.recipes.pasta.localise import EVERY, curves, operating_point, scored_layers, swap_matrix

REFUSED = ("full", "partial")
ACCURACY = "truth_recipe"
"""The judge of whether an answer to a benign request is right; of the organism only."""


def localize_signature(config: Config, subject: Subject, signature: dict[str, Any], completions: pd.DataFrame,
                       variants: pd.DataFrame, judgements: pd.DataFrame, detectors: pd.DataFrame,
                       say: Callable[[str], None]) -> dict[str, Any]:
    """Localise a signature on the select split.

    Args:
        signature: the extraction's card.
        completions, variants: of the layer sweep.
        judgements: of refusal and accuracy.
        detectors: scores of every continuation.

    Returns:
        ``selected`` and the tables ``curves``, ``layers``, ``swap``, ``operating``.

    Raises:
        DataError: the first detector scored no text.
    """
    scores = detectors.rename(columns={"judge": "detector"})
    texts = completions[completions["set"] == config.pasta.prefixes]
    categories = texts.drop_duplicates("id").set_index("id")["category"]
    curve, layers = curves(scored_layers(scores, variants, categories), config.statistics)
    whole = layers[(layers["family"] == "sweep") & (layers["category"] == EVERY) & (layers["control"] == "") & layers["chosen"]]
    chosen = {row.detector: int(row.layer) for row in whole.itertuples()}
    first = config.pasta.selecting(subject.is_organism)[0]
    if first not in chosen:
        raise DataError(found=f"no score by {first}", expected="at least one", where="the layer sweep",
                        remedy="look at the reasons in the detectors' table, or put another detector first")
    unedited = scores[scores["variant"] == "base"].groupby("detector")["score"].mean()
    swap = swap_matrix(layers, unedited.to_dict())
    candidates, base = _candidates(config, variants, scores[scores["detector"] == first], judgements)
    operating, reason = operating_point(candidates, base, config.pasta.limits)
    picked = operating[operating["picked"]]
    inside = layers[(layers["family"] == "in_domain") & (layers["detector"] == first) & layers["chosen"]]
    say(f"layers by detector: {chosen}; operating point: {reason}")
    selected = {
        "layer": chosen[first], "layers": chosen, "depth": signature["layers"], "contrasts": signature["contrasts"],
        "domain_order": signature["domains"], "domains": {row.category: int(row.layer) for row in inside.itertuples()},
        "operating": json.loads(picked["detail"].iloc[0])[0] if len(picked) else None, "reason": reason,
    }
    model = texts["model"].iloc[0]
    tables = {"curves": curve, "layers": layers, "swap": swap, "operating": operating.drop(columns="detail")}
    return {"selected": selected, **{name: table.assign(model=model) for name, table in tables.items()}}


def _candidates(config: Config, variants: pd.DataFrame, scores: pd.DataFrame,
                judgements: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Every operating point with its score, accuracy and refusal, and the same of the unedited model."""
    evaluation = config.evaluation
    score = scores.groupby("variant")["score"].mean()
    refused = judgements[(judgements["judge"] == refusal_judge(config)) & (judgements["set"] == evaluation.harmful)]
    refusal = refused.assign(refused=refused["label"].isin(REFUSED)).groupby("variant")["refused"].mean()
    right = judgements[(judgements["judge"] == ACCURACY) & (judgements["set"] == evaluation.benign)]
    accuracy = right.groupby("variant")["score"].mean()
    style = judgements[(judgements["judge"] == "truth_style") & (judgements["set"] == evaluation.benign)]
    opener = style.assign(opened=style["label"] == "opened").groupby("variant")["opened"].mean()
    measured = pd.DataFrame({"score": score, "accuracy": accuracy, "refusal": refusal, "opener": opener})
    rows = variants[variants["family"].isin(["sweep", "operating"]) & (variants["role"] == "method")]
    table = rows[["variant", "layer", "strength", "detail"]].merge(measured, left_on="variant", right_index=True, how="left")
    table["direction"] = [json.loads(detail)[0]["direction"]["contrast"] for detail in table["detail"]]
    table["direction_position"] = [json.loads(detail)[0]["direction"]["position"] for detail in table["detail"]]
    table["positions"] = [json.loads(detail)[0]["positions"] for detail in table["detail"]]
    return table.reset_index(drop=True), measured.loc["base"]


def refusal_judge(config: Config) -> str:
    """Judges that a pass of this recipe has: the configured first one, or the rules where it needs ROSI's classifier."""
    return config.judges[0] if config.judges[0] != "classifier" else "rules"
