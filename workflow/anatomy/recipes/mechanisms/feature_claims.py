"""Sentences about features of a sparse autoencoder; rules were written before their first run."""

from __future__ import annotations

import functools

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.mechanisms.claims import Gather, stated
from anatomy.recipes.mechanisms.samples import sample_of

LEVEL = 0.05
CONTROLS = 19
"""Fewest controls of which the first rank is rarer than the level."""


def feature_claims(config: Config, subject: Subject) -> list[Claim]:
    """Claims about the features of one model; none where no autoencoder is asked for."""
    options, model = config.mechanisms.features, subject.id
    if options is None:
        return []

    claim = functools.partial(stated, model)
    faithful = Test(
        "difference_above",
        loss_beyond(model, options.recovered),
        {"threshold": 0},
        f"loss of mean-ablation minus spliced, minus {options.recovered:g} of mean-ablation minus clean, nats a token",
    )
    return [
        claim(
            "faithful_features",
            "What features rebuild of a layer keeps most of what the model predicts on answers that they were not trained on.",
            "survey: sparse autoencoders",
            faithful,
        ),
        claim(
            "feature_steers",
            "The feature nearest to the refusal direction makes harmless requests lean to refusal, more than other features.",
            "survey: sparse autoencoders",
            Test(
                "difference_above",
                steered_beyond_random(model, "harmless"),
                {"threshold": 0, "min_controls": CONTROLS, "control_level": LEVEL},
                "rise of the refusal metric by one dose, features of equal norm drawn at random as controls",
            ),
        ),
    ]


def loss_beyond(model: str, share: float) -> Gather:
    """Loss that is recovered beyond a share of what mean-ablation costs, text by text."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("spliced", model=model)
        recovered = rows["mean"] - rows["spliced"] - share * (rows["mean"] - rows["clean"])
        return sample_of(rows.assign(value=recovered), because="the model has no held-out answers")

    return gather


def steered_beyond_random(model: str, side: str) -> Gather:
    """Rise of the metric by the nearest feature, prompt by prompt, and its mean by each random feature as a control."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("feature_steering", model=model, side=side)
        before = rows[(rows["kind"] == "direction") & (rows["dose"] == 0)].set_index("id")["metric"]
        moved = rows[rows["dose"] != 0].assign(value=lambda one: one["metric"] - one["id"].map(before))
        controls = moved[moved["kind"] == "random"].groupby("feature")["value"].mean()
        found = sample_of(moved[moved["kind"] == "nearest"])
        return Contrast(found.sample, controls=controls.to_numpy(float))

    return gather


def rows_of(tables: Tables, name: str, model: str) -> pd.DataFrame:
    """A model's rows of a table; none where the run has no autoencoder."""
    table = tables.named.get(name, pd.DataFrame(columns=["model"]))
    return table[table["model"] == model]


def fidelity_table(tables: Tables, model: str) -> pd.DataFrame:
    """Fidelity of a model's autoencoder with the loss recovered on held-out answers.

    Returns:
        Columns ``model, layer, features, active, explained, alive, tokens, source, clean, spliced, mean, recovered``.
    """
    own = rows_of(tables, "fidelity", model).reset_index(drop=True)
    if own.empty:
        return own
    losses = tables.rows("spliced", model=model)[["clean", "spliced", "mean"]].mean()
    recovered = (losses["mean"] - losses["spliced"]) / (losses["mean"] - losses["clean"])
    return own.assign(**losses.to_dict(), recovered=recovered)
