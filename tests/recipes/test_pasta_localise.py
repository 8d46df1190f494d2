import numpy as np
import pandas as pd
import pytest

from anatomy.config.methods import Statistics
from anatomy.recipes.pasta.localise import curves, scored_layers, swap_matrix

STATISTICS = Statistics(bootstrap=200)
LAYERS = (1, 2, 3)


def search(best, noise=0.05, family="sweep", detector="d", control="", number=-1, seed=0):
    """Scores of 30 prefixes of two domains at each layer, lowest at ``best``."""
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "detector": detector,
                "family": family,
                "control": control,
                "control_seed": number,
                "layer": layer,
                "id": f"p{n}",
                "group": f"g{n // 2}",
                "category": f"c{n % 2}",
                "score": float(layer != best) + noise * draw.standard_normal(),
            }
            for layer in LAYERS
            for n in range(30)
        ]
    )


def whole(layers):
    return layers[(layers["family"] == "sweep") & (layers["category"] == "") & (layers["control"] == "")]


def test_a_clear_minimum_is_chosen_in_every_draw():
    curve, layers = curves(search(2), STATISTICS)
    found = whole(layers).set_index("layer")
    assert found["chosen"].to_dict() == {1: False, 2: True, 3: False}
    assert found["share"].to_dict() == {1: 0.0, 2: 1.0, 3: 0.0}
    at = curve[(curve["category"] == "") & (curve["layer"] == 2)].iloc[0]
    assert at["low"] <= at["mean"] <= at["high"]
    assert set(curve["category"]) == {"", "c0", "c1"}


def test_a_flat_curve_spreads_the_choice():
    _, layers = curves(search(best=None, noise=1.0), STATISTICS)
    shares = whole(layers)["share"]
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() < 1.0


def test_texts_without_a_score_are_counted_and_never_averaged():
    table = search(1)
    table.loc[(table["layer"] == 3) & (table["id"] == "p0"), "score"] = np.nan
    table.loc[table["layer"] == 1, "score"] = np.nan  # a layer of which no text could be scored has no say
    curve, layers = curves(table, STATISTICS)
    counts = curve[curve["category"] == ""].set_index("layer")[["n", "failed"]]
    assert counts.loc[3].tolist() == [29, 1]
    assert counts.loc[1].tolist() == [0, 30]
    assert not whole(layers).set_index("layer").loc[1, "chosen"]


def test_swap_reads_each_detector_at_each_choice():
    _, layers = curves(pd.concat([search(1, detector="a"), search(3, detector="b")]), STATISTICS)
    swap = swap_matrix(layers, {"a": 1.0, "b": 1.0}).set_index(["selector", "detector"])
    assert swap.loc[("a", "a"), "mean"] == swap.loc[("a", "a"), "best"]
    assert swap.loc[("a", "b"), "layer"] == 1
    assert swap.loc[("a", "b"), "mean"] - swap.loc[("a", "b"), "best"] > 0.8


def test_controls_search_beside_the_signature():
    _, layers = curves(pd.concat([search(1), search(2, control="orthogonal", number=0)]), STATISTICS)
    chosen = layers[layers["chosen"] & (layers["category"] == "")].set_index("control")["layer"]
    assert chosen.to_dict() == {"": 1, "orthogonal": 2}


def test_scores_meet_their_variants_and_domains():
    both = {"id": "p", "group": "g", "detector": "d"}
    scores = pd.DataFrame([{"variant": "v", "score": 1.0, **both}, {"variant": "base", "score": 2.0, **both}])
    variants = pd.DataFrame(
        {"variant": ["v", "base"], "family": ["sweep", ""], "layer": [2, -1], "control": ["", ""], "control_seed": [-1, -1]}
    )
    scored = scored_layers(scores, variants, pd.Series({"p": "news"}))
    assert scored[["family", "layer", "category", "score"]].to_numpy().tolist() == [["sweep", 2, "news", 1.0]]
