"""Figures and tables of probes and lenses on tables in which the answer was planted."""

import numpy as np
import pandas as pd
import pytest

from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import direct_figures, lens_figures, probe_figures
from anatomy.recipes.mechanisms.stages.other_directions import directions_at
from anatomy.recipes.mechanisms.stages.probing import kinds_of

MODEL = "aligned.s0"
PROMPTS = 12


@pytest.fixture(scope="module")
def config():
    return check_config({"statistics": {"bootstrap": 200}}, "a test")


@pytest.fixture(scope="module")
def tables():
    generator = np.random.default_rng(0)
    places, lens = [], []
    for n in range(2 * PROMPTS):
        harmful = n < PROMPTS
        for position in (-3, -2, -1):
            for layer in range(3):
                for control in ("", "shuffled"):
                    there = position == -1 and layer == 2 and control == ""
                    score = generator.normal() + 20 * harmful * there
                    places.append((f"p{n}", f"g{n}", harmful, score, position, layer, control, position == -3))
        for layer in range(3):
            for name in ("logit", "tuned"):
                row = {"id": f"p{n}", "group": f"g{n}", "layer": layer, "lens": name, "side": "harmful", "metric": 0.0}
                row |= {"agrees": True, "kl": 0.5, "probability": layer / 4, "rank": 3 - layer}
                row |= {"opener_probability": np.nan, "opener_rank": np.nan, "random_probability": 0.0, "random_rank": 40}
                lens.append(row | {"answer_probability": 0.25, "answer_rank": 2})
    columns = ["id", "group", "label", "score", "position", "layer", "control", "request"]
    read = pd.DataFrame([("refusal", 5, "'No'", np.nan)], columns=["kind", "token", "text", "share"])
    named = {"probe_places": pd.DataFrame(places, columns=columns), "lens": pd.DataFrame(lens), "lens_tokens": read}
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def test_the_place_that_tells_the_kinds_apart_stands_out_with_its_interval(config, tables):
    table = probe_figures.places(config, tables, MODEL)
    best = table.sort_values("auroc").iloc[-1]
    assert (best["position"], best["layer"], best["control"], best["request"]) == (-1, 2, "", False)
    assert best["low"] == best["auroc"] == 1.0 and len(table) == 3 * 3 * 2 and set(table["n"]) == {2 * PROMPTS}
    assert (table.drop(best.name)["low"] < 0.7).all()
    drawn = probe_figures.by_place(table).to_dict()
    shown = next(iter(drawn["datasets"].values()))
    assert {row["token"] for row in shown} == {"request, -3", "-2", "-1"}


def test_kinds_of_prompts_are_their_source_and_category_as_far_as_these_are_told():
    rows = pd.DataFrame({"source": ["a", "b", "b", None], "category": ["x", "x", None, None], "group": list("1234")})
    assert kinds_of(rows) == ["a/x", "b/x", "b/", "group 4"]
    assert kinds_of(rows.assign(source="a")) == ["a/x", "a/x", "group 3", "group 4"], "one source leaves none to learn from"


def test_lenses_are_told_by_kind_of_token_and_kinds_without_tokens_are_left_out(config, tables):
    table = lens_figures.lenses(config, tables, MODEL)
    assert set(table["tokens"]) == {"refusal tokens", "the answer's first token", "random tokens"}
    last = table[(table["layer"] == 2) & (table["lens"] == "tuned")].set_index("tokens")
    assert last.loc["refusal tokens", ["probability", "low", "high", "rank", "kl"]].tolist() == [0.5, 0.5, 0.5, 1, 0.5]
    assert last.loc["the answer's first token", "rank"] == 2 and set(table["n"]) == {2 * PROMPTS}
    assert lens_figures.lenses(config, tables, "another").empty and lens_figures.tokens_read(config, tables, "another").empty
    assert lens_figures.tokens_read(config, tables, MODEL)["text"].tolist() == ["'No'"]
    assert lens_figures.lens(tables.rows("lens")).to_dict()["config"]


def test_the_largest_writer_comes_first_and_directions_that_a_run_lacks_are_named(config):
    rows = [
        (f"p{n}", direction, layer, part, head, size * (direction == "ROSI") * (part == "mlp") * layer + 0.1, f"g{n}")
        for n in range(PROMPTS)
        for direction, size in (("ROSI", 2.0), ("random", 0.0))
        for layer, part, head in ((-1, "embedding", -1), (0, "head", 0), (0, "mlp", -1), (1, "head", 3), (1, "mlp", -1))
    ]
    frame = pd.DataFrame(rows, columns=["id", "direction", "layer", "part", "head", "contribution", "group"])
    table = direct_figures.writers(config, Tables(direct=frame.assign(model=MODEL)), MODEL)
    first = table[table["direction"] == "ROSI"].iloc[0]
    assert (first["part"], first["block"], first["n"]) == ("mlp", 1, PROMPTS) and pd.isna(first["head"])
    assert first["contribution"] == pytest.approx(2.1) and first["share"] == pytest.approx(2.1 / 2.5)
    assert len(table) == 8 and set(table.loc[table["part"] == "head", "head"]) == {0, 3}  # the embedding is no writer
    drawn = direct_figures.direct(frame).to_dict()
    assert [line.split(":")[0] for line in drawn["title"]["text"]] == ["no refusal direction", "no style direction"]
    assert direct_figures.writers(config, Tables(), MODEL).empty


def test_directions_of_other_papers_are_read_at_one_layer_and_only_where_they_are():
    vectors = pd.DataFrame(
        [
            ("style", 1, [0.0, 0.0]),
            ("style", 2, [1.0, 0.0]),
            ("ROSI", 1, [0.0, 1.0]),
            ("ROSI", 2, [0.0, 1.0]),
            ("mask", 2, [1.0, 0.0]),
        ],
        columns=["direction", "layer", "vector"],
    )
    assert list(directions_at(vectors, 1)) == ["ROSI"]
    found = directions_at(vectors, 2)
    assert set(found) == {"style", "ROSI"} and found["style"].tolist() == [1.0, 0.0]
