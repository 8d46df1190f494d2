"""From the layer sweep to each detector's layer, the operating point and the layers inside domains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.recipes.pasta.edits import SIGNATURE
from anatomy.recipes.pasta.localise import EVERY, curves, scored_layers, swap_matrix
from anatomy.recipes.pasta.operating import measured_candidates, only_edit, operating_point
from anatomy.recipes.pasta.selected import SelectedSignature, SignatureCard
from anatomy.recipes.pasta.stages.instruments import measured_texts

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "peft": "it reads tables that other stages made",
    "scikit-learn": "it reads tables that other stages made",
    "torch": "it reads tables that other stages made",
    "transformers": "it reads tables that other stages made",
}


@dataclass(frozen=True)
class Localized:
    """What the selection ended with, and the tables ``curves``, ``layers``, ``swap`` and ``operating`` behind it."""

    selected: SelectedSignature
    tables: dict[str, pd.DataFrame]


def localize_signature(
    config: Config,
    subject: Subject,
    signature: SignatureCard,
    completions: pd.DataFrame,
    variants: pd.DataFrame,
    judgements: pd.DataFrame,
    detectors: pd.DataFrame,
    say: Callable[[str], None],
) -> Localized:
    """Localise a signature on the select split.

    Args:
        signature: the extraction's card.
        completions, variants: of the layer sweep.
        judgements: of refusal, and on the organism of accuracy and style.
        detectors: scores of every continuation.

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
        raise DataError(
            found=f"no score by {first}",
            expected="at least one",
            where="the layer sweep",
            remedy="look at the reasons in the detectors' table, or put another detector first",
        )
    unedited = scores[scores["variant"] == "base"].groupby("detector")["score"].mean()
    swap = swap_matrix(layers, unedited.to_dict())
    candidates, base = measured_candidates(
        config, variants, measured_texts(config, texts, subject.is_organism), scores[scores["detector"] == first], judgements
    )
    operating, reason = operating_point(candidates, base, config.pasta.limits)
    operating = operating.assign(unedited_markers=base["markers"], unedited_opener=base["opener"])
    picked = operating[operating["picked"]]
    inside = layers[(layers["family"] == "in_domain") & (layers["detector"] == first) & layers["chosen"]]
    say(f"layers by detector: {chosen}; operating point: {reason}")
    selected: SelectedSignature = {
        "layer": chosen[first],
        "layers": chosen,
        "depth": signature["layers"],
        "contrasts": sorted(set(signature["contrasts"]) - {SIGNATURE}),
        "domain_order": signature["domains"],
        "domains": {row.category: int(row.layer) for row in inside.itertuples()},
        "operating": only_edit(picked["detail"].iloc[0]) if len(picked) else None,
        "reason": reason,
    }
    model = texts["model"].iloc[0]
    tables = {"curves": curve, "layers": layers, "swap": swap, "operating": operating.drop(columns="detail")}
    return Localized(selected, {name: table.assign(model=model) for name, table in tables.items()})
