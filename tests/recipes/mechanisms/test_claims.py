"""Verdicts of the mechanism battery on tables in which the answer was planted."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import figures, layer_figures
from anatomy.recipes.mechanisms.claims import claims_of, probe_gain, ranked_alike, recovery_beyond_others
from anatomy.recipes.mechanisms.profiles import (
    INSTRUMENTS,
    _rank_correlations,
    agreement_table,
    matrix_of,
    placements,
    profile_table,
    profiles,
)
from anatomy.recipes.mechanisms.recipe import COLUMNS, RECIPE

LAYERS, PAIRS, TOKENS = 4, 20, 3
MODEL = "aligned.s0"


@pytest.fixture(scope="module")
def config():
    return check_config({"statistics": {"bootstrap": 200}}, "a test")


def tables_of(
    *,
    gap=8.0,
    answered=0.0,
    recovery=0.9,
    predicted=True,
    half=0.05,
    direction=5.0,
    words=0.5,
    outcome="picked",
    steer=12.0,
    harmless=-8.0,
):
    """A model whose refusal sits in the last token's stream from block 2 on, of tables as the job leaves them."""
    generator = np.random.default_rng(0)
    ids, groups = [f"p{n}" for n in range(PAIRS)], [f"g{n}" for n in range(PAIRS)]
    patches, lens, direct, probes = [], [], [], []
    for name, group in zip(ids, groups, strict=True):
        noise = generator.normal(scale=0.02)
        for way in ("denoise", "noise"):
            for part in ("stream", "attention", "mlp"):
                for layer in range(LAYERS):
                    for column in range(-TOKENS, 0):
                        here = recovery * (column == -1 and (layer >= 2 if part == "stream" else layer == 1)) + noise
                        said = here if predicted else generator.normal()
                        runs = (answered + gap, answered)
                        patches.append((part, layer, column, None, way, *runs, here, said, name, name + "c", group))
        for layer in range(LAYERS + 1):
            chance = half if layer <= LAYERS // 2 else 0.9
            for read in ("logit", "tuned"):
                lens.append((name, layer, read, gap * chance, chance, 0.0, 1, True, 0.1, "harmful", group))
        for layer in range(LAYERS):
            for part in ("head", "mlp"):
                direct.append((name, "refusal", layer, part, -1, direction / 8, group))
                direct.append((name, "random", layer, part, -1, 0.01, group))
    own = [
        (name, group, layer, one, steer * (layer == 2) * (one == "refusal") + 0.1)
        for name, group in zip(ids, groups, strict=True)
        for layer in range(LAYERS)
        for one in ("refusal", "random")
    ]
    swapped = [
        (name, group, layer, gap, 0.0, gap * (layer == 1))
        for name, group in zip(ids, groups, strict=True)
        for layer in range(LAYERS)
    ]
    doses = [
        (
            name,
            dose,
            (gap if side == "harmful" else harmless) + dose * (steer if one == "refusal" else 0.1),
            0.1,
            side,
            one,
            group,
        )
        for name, group in zip(ids, groups, strict=True)
        for side in ("harmful", "harmless")
        for one in ("refusal", "random")
        for dose in (-1.0, 0.0, 1.0)
    ]
    for label in (True, False):
        for n in range(PAIRS):
            for layer in range(LAYERS + 1):
                for control in ("", "shuffled"):
                    score = generator.normal() + 6 * label * (control == "")
                    probes.append((f"{label}{n}", f"{label}{n}", label, score, "logistic", layer, control))
            score = generator.normal() if words == 0.5 else generator.normal() + 20 * label
            probes.append((f"{label}{n}", f"{label}{n}", label, score, "bag_of_words", -1, ""))
    columns = ["part", "layer", "column", "head", "way", "clean", "corrupt", "recovery", "predicted", "id", "corrupt_id", "group"]
    named = {
        "patching": pd.DataFrame(patches, columns=columns).assign(patched=0.0),
        "lens": pd.DataFrame(
            lens,
            columns=[
                "id",
                "layer",
                "lens",
                "metric",
                "probability",
                "random_probability",
                "rank",
                "agrees",
                "kl",
                "side",
                "group",
            ],
        ),
        "direct": pd.DataFrame(direct, columns=["id", "direction", "layer", "part", "head", "contribution", "group"]),
        "probes": pd.DataFrame(probes, columns=["id", "group", "label", "score", "probe", "layer", "control"]),
        "steering": pd.DataFrame(doses, columns=["id", "dose", "metric", "kl", "side", "direction", "group"]),
        "layer_steering": pd.DataFrame(own, columns=["id", "group", "layer", "direction", "rise"]),
        "transplants": pd.DataFrame(swapped, columns=["id", "group", "layer", "own", "base", "taken"]),
        "picked": pd.DataFrame([{"outcome": outcome, "position": -1, "layer": 2 if outcome == "picked" else None}]),
    }
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def verdicts(config, **planted):
    subject = next(one for one in subjects(config) if one.id == MODEL)
    ledger = evaluate_ledger(claims_of(config, subject), tables_of(**planted), seed=0, resampling=Resampling(0.95, 0, 200))
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


def test_what_was_planted_is_supported(config):
    assert set(verdicts(config).values()) == {Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("planted", "fails"),
    [
        ({"recovery": 0.2}, ("causal", "needed")),
        ({"gap": -1.0}, ("causal", "needed", "first_order", "onset", "written", "steered_back")),
        ({"answered": -12.0}, ("causal", "needed", "onset", "steered_back")),
        ({"steer": 0.05}, ("steered", "steered_back")),
        ({"steer": 4.0}, ("steered", "steered_back")),  # more than a random direction, and no harmless request is refused for it
        ({"harmless": -20.0}, ("steered",)),
        ({"half": 0.8}, ("onset",)),
        ({"predicted": False}, ("first_order",)),
        ({"direction": 0.0}, ("written",)),
        ({"words": 1.0}, ("decodable",)),
    ],
)
def test_the_opposite_is_not(config, planted, fails):
    found = verdicts(config, **planted)
    assert {name for name, verdict in found.items() if verdict != Verdict.SUPPORTED} == set(fails)


def test_what_both_prompts_share_counts_for_nothing(config):
    """Nine tokens of a template before the prompts' first difference: patches there are 0 by every instrument."""
    before = tables_of(predicted=False)
    rows = before.named["patching"]
    shared = [rows.assign(column=rows["column"] - 3 * k, recovery=0.0, predicted=0.0) for k in (1, 2, 3)]
    longer = Tables(**{**before.named, "patching": pd.concat([rows, *shared], ignore_index=True)})
    for gather in (ranked_alike(MODEL), recovery_beyond_others(MODEL)):
        assert gather(longer).sample.values == pytest.approx(gather(before).sample.values)


def test_the_interval_of_a_probe_knows_of_both_kinds():
    """Scores of 12 and 200 prompts: the AUROC is their mean, and its spread as wide whichever kind is the rare one."""
    generator = np.random.default_rng(0)
    few, many = generator.normal(size=12) + 1, generator.normal(size=200)
    one = pd.DataFrame({"score": [*few, *many], "label": [True] * 12 + [False] * 200}).assign(id=range(212), group=range(212))
    other = one.assign(score=-one["score"], label=~one["label"])
    found, turned = placements(one)["value"], placements(other)["value"]
    assert found.mean() == pytest.approx((few[:, None] > many).mean()) and turned.mean() == pytest.approx(found.mean())
    assert turned.std() == pytest.approx(found.std())
    of_few, of_many = (few[:, None] > many).mean(1), (few[:, None] > many).mean(0)
    assert found.var(ddof=0) / 212 == pytest.approx(of_few.var() / 12 + of_many.var() / 200)


def test_without_a_direction_its_place_cannot_be_tested(config):
    found = verdicts(config, outcome="empty grid")
    assert found["causal"] == found["needed"] == Verdict.NOT_TESTABLE and found["decodable"] == Verdict.SUPPORTED


def test_profiles_rise_where_refusal_was_planted_and_agree_with_themselves(config):
    table = profile_table(config, tables_of(), MODEL)
    top = table[table["top"]].groupby("instrument")["layer"].first()
    assert top["patch attention"] == 1 and top["predict mlp"] == 1 and top["patch stream"] == 1
    assert top["tuned lens"] == 2 and top["steering"] == 2 and top["truth"] == 1
    assert set(table["instrument"]) == set(INSTRUMENTS) and table["share"].between(0, 1).all()
    agreement = agreement_table(config, tables_of(), MODEL, resamples=50).set_index(["one", "two"])
    assert agreement.loc[("patch attention", "predict attention"), ["rho", "n"]].tolist() == pytest.approx([1, PAIRS])
    # What block 1 writes is what a stream has before block 2: the two say the same, and are compared as such.
    assert agreement.loc[("steering", "truth"), ["rho", "layers"]].tolist() == pytest.approx([1, LAYERS - 1])


def test_prompts_of_both_kinds_that_are_numbered_alike_stay_apart(config):
    """Two files of prompts with the ids 0, 1, 2 and so on, of which the second is longer."""
    before = tables_of()
    rows = before.named["probes"]
    rows = rows[~rows["id"].isin([f"True{n}" for n in range(PAIRS // 2)])]
    alike = rows.assign(**{name: rows[name].str.removeprefix("True").str.removeprefix("False") for name in ("id", "group")})
    apart, numbered = (Tables(**{**before.named, "probes": table}) for table in (rows, alike))
    own, found = (probe_gain(MODEL, "bag_of_words")(tables).sample for tables in (apart, numbered))
    assert found.n == own.n == 3 * PAIRS // 2 and found.mean == pytest.approx(own.mean)
    tables = [profile_table(config, one, MODEL) for one in (apart, numbered)]
    wanted, got = (table[table["instrument"] == "probe"][["value", "n"]].to_numpy(float) for table in tables)
    assert got == pytest.approx(wanted)
    one, two = (matrix_of(profiles(one, MODEL).query("instrument == 'probe'")) for one in (apart, numbered))
    assert len(two) == len(one) and two.mean().to_numpy() == pytest.approx(one.mean().to_numpy())


def test_each_draws_rank_correlation_is_spearmans():
    one, two = np.random.default_rng(0).normal(size=(2, 30, 6)).round(1)  # with ties
    one[0], two[1, 2] = 1.0, np.nan
    found = _rank_correlations(one, two)
    assert np.isnan(found[:2]).all() and np.isnan(_rank_correlations(one[:, :2], two[:, :2])).all()
    assert found[2:] == pytest.approx([spearmanr(a, b).statistic for a, b in zip(one[2:], two[2:], strict=True)])


def test_every_cell_of_the_atlas_leads_to_a_figure_of_the_page_and_has_its_numbers_to_hover(config):
    shown = figures.atlas(profile_table(config, tables_of(), MODEL)).to_dict()
    (rows,) = shown["datasets"].values()
    anchors = {figures.anchor_of(plan.kind, plan.models[0]) for plan in RECIPE.plans(config)}
    assert {row["link"].removeprefix("#") for row in rows} <= anchors - {figures.anchor_of("atlas", MODEL)}
    assert {row["instrument"] for row in rows} == set(INSTRUMENTS.values())
    for layer in shown["layer"]:
        assert {"value", "low", "high", "n"} <= {one["field"] for one in layer["encoding"]["tooltip"]}
        assert layer["encoding"]["href"]["field"] == "link"


def test_where_training_put_refusal_is_shown_of_members_that_were_trained_from_a_base_alone(config):
    assert [plan.models for plan in RECIPE.plans(config) if plan.kind == "exchanged"] == [(MODEL,)]


def test_the_template_s_parts_and_the_entropy_of_attention_can_be_hovered():
    rows = pd.DataFrame([("a", 0, 0, 0.5, 0.2, 0.3, 1.0, "harmful")], columns=[*COLUMNS["attention"]])
    shown = figures.attention(rows).to_dict()
    hovered = {one["field"] for one in shown["spec"]["encoding"]["tooltip"]}
    (values,) = shown["datasets"].values()
    assert {"template_before", "template_after", "entropy"} <= hovered & set(values[0])


def test_every_figure_is_drawn(config):
    tables = tables_of()
    for chart in (
        figures.atlas(profile_table(config, tables, MODEL)),
        figures.patching(tables.rows("patching")),
        figures.predicted(tables.rows("patching")),
        figures.steering(tables.rows("steering")),
        layer_figures.own_directions(tables.rows("layer_steering")),
        layer_figures.exchanged_blocks(tables.rows("transplants")),
    ):
        assert chart.to_dict()["config"]
