"""Which variants a phase has, and how the variants table describes them."""

import json

import pytest
from small_study import make_config, make_subject

from anatomy.recipes.asked_variants import engine_variants
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.variants import variants_on_select, variants_on_test
from anatomy.stages.phase import VARIANT_COLUMNS, Phase, describe, phase_variants

SUBJECT = make_subject()
CONFIG = make_config("unused", rosi={"shortlist": 2}, serving={"buckets": 3})


def concrete(layer, control=None):
    return {
        "method": "row_mean",
        "strength": 2.0,
        "sign": -1,
        "direction": {"contrast": "plain", "position": -3, "layer": layer, "control": control},
    }


FOUND = {family.name: [concrete(1), concrete(2)] for family in families(CONFIG, SUBJECT)}
PICKS = {name: edits[0] for name, edits in FOUND.items()}


def whole(phase, found, config=CONFIG):
    return [
        pair
        for bucket in range(config.serving.buckets)
        for pair in phase_variants(engine_variants(config, SUBJECT, phase), phase, config.serving.buckets, bucket, found).variants
    ]


@pytest.mark.parametrize(("phase", "found", "named"), [("select", FOUND, variants_on_select), ("test", PICKS, variants_on_test)])
def test_buckets_part_the_variants(phase, found, named):
    ids = [variant.id for variant, _ in whole(phase, found)]
    assert sorted(ids) == sorted(variant.id for variant in named(CONFIG, SUBJECT))
    assert len(set(ids)) == len(ids)


def test_searches_that_found_nothing_have_no_variant():
    short = {**FOUND, "row_mean": [], "projection": [concrete(1)]}
    families_left = [variant.family for variant, _ in whole("select", short)]
    assert families_left.count("row_mean") == 0 and families_left.count("projection") == 1
    assert families_left.count("row_mean_signed") == 2
    assert "row_mean" not in [variant.family for variant, _ in whole("test", {**PICKS, "row_mean": None})]


def test_a_row_says_what_the_variant_is():
    table = describe(SUBJECT, Phase("select", whole("select", FOUND))).set_index("variant")
    base = table.loc["base"]
    assert (base["role"], base["layer"], base["strength"], base["place"], base["detail"]) == ("base", -1, 0.0, 0, "[]")
    second = table[(table["family"] == "row_mean") & (table["place"] == 2)].iloc[0]
    assert (second["role"], second["layer"], second["position"], second["strength"], second["sign"]) == ("method", 2, -3, 2.0, -1)
    assert json.loads(second["detail"]) == [concrete(2)]
    controls = table[table["role"] == "control"]
    assert (controls["control"] != "").all() and (controls["control_seed"] >= 0).all()
    assert (table.loc[table["role"] != "control", "control_seed"] == -1).all()


def test_no_variants_keep_the_columns():
    assert list(describe(SUBJECT, Phase("test", [])).columns) == VARIANT_COLUMNS
    assert list(describe(SUBJECT, Phase("test", whole("test", PICKS))).columns) == VARIANT_COLUMNS


@pytest.mark.parametrize("phase", ["select", "test"])
@pytest.mark.parametrize("buckets", [1, 2, 5])
def test_every_bucket_knows_the_unedited_model(phase, buckets):
    """It is served in one, and named to the others."""
    config = CONFIG.model_copy(update={"serving": CONFIG.serving.model_copy(update={"buckets": buckets})})
    named = engine_variants(config, SUBJECT, phase)
    parts = [phase_variants(named, phase, buckets, bucket, FOUND if phase == "select" else PICKS) for bucket in range(buckets)]
    served = [{variant.role for variant, _ in part.variants} for part in parts]
    for roles, part in zip(served, parts, strict=True):
        assert [one.role for one in part.unedited_elsewhere] == ([] if "base" in roles else ["base"])
    assert sum("base" in roles for roles in served) == 1
