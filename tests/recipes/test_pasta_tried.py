"""What lowering detection costs: candidates, tested edits, and the band of controls of the same edits."""

import pandas as pd
import pytest
from pasta_tables import CONTROLS, pasta_config, pasta_tables

from anatomy.errors import ConfigError
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.pareto_front import draw, marked, steps
from anatomy.evidence.figures.save import chart_data
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pasta.tried import DRAWN, SEARCHED, TESTED, costs, tried

MODEL, DETECTOR = "aligned.s0", "binoculars"
NAMES = ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests", "prefixes")
SETS = {"prompt_sets": {name: {"file": "x.csv", "label": "benign"} for name in NAMES}}
CONFIG = pasta_config()


@pytest.fixture(scope="module")
def table():
    return tried(pasta_tables(), MODEL, DETECTOR)


def test_what_is_gained_is_what_the_detector_no_longer_takes_for_a_machines(table):
    own = table[table["search"] == SEARCHED].drop_duplicates("edit").set_index("edit")["gained"]
    assert own["unedited"] == pytest.approx(1 - 0.9)
    assert own["ablate, signature, layer 3, strength 1, all"] == pytest.approx(1 - 0.5)
    tested = table[table["search"] == TESTED].drop_duplicates("edit").set_index("edit")["gained"]
    assert tested["unedited"] == pytest.approx(0.1) and tested["operating"] == pytest.approx(0.6)


def test_a_detector_may_be_called_like_another_measure(table):
    tables = pasta_tables()
    assert {("quality", "words"), ("detector", DETECTOR)} <= set(
        zip(tables.measures["kind"], tables.measures["measure"], strict=True)
    )
    score = (tables.measures["kind"] == "detector") & (tables.measures["measure"] == DETECTOR)
    swap = tables.swap.assign(detector=tables.swap["detector"].replace(DETECTOR, "words"))
    renamed = tables.but(measures=tables.measures.assign(measure=tables.measures["measure"].mask(score, "words")), swap=swap)
    pd.testing.assert_frame_equal(tried(renamed, MODEL, "words"), table)


@pytest.mark.parametrize("name", ["rules", "human", "guard"])
def test_a_detector_called_like_a_judge_is_refused(name):
    pair = {"m": {"folder": "m"}, "b": {"folder": "b", "kind": "base"}}
    guard = {"guard": {"kind": "llama_guard", "folder": "g"}}
    pasta = {"pairs": {"m": "b"}, "own_detectors": {name: {"kind": "ngrams"}}}
    options = {"recipes": ["pasta"], "models": pair, "judges": ["rules"], "model_judges": guard, "pasta": pasta, **SETS}
    options["benchmarks"] = {"tasks": []}
    with pytest.raises(ConfigError, match=f"own_detectors has '{name}', the name of a judge"):
        check_config({**options, "extraction": {"safety_system_prompt": "Be kind."}}, "mine.yaml")


def test_the_unedited_model_costs_nothing_and_stands_in_every_search_and_draw(table):
    unedited = table[table["edit"] == "unedited"]
    assert (unedited["spent"] == 0).all()
    assert set(zip(table["search"], table["draw"], table["cost"], strict=True)) == set(
        zip(unedited["search"], unedited["draw"], unedited["cost"], strict=True)
    )


def test_only_directions_drawn_at_random_make_the_band(table):
    draws = set(table["draw"]) - {""}
    assert draws == {f"{kind}-{number}" for kind in DRAWN for number in range(CONTROLS[kind])}
    both = table[(table["draw"] == "orthogonal-0") & (table["cost"] == "refusal")]
    assert set(both["edit"]) == {"unedited", "orthogonal-0", "operating-orthogonal-0"}
    band = steps(table, table.groupby("cost")["spent"].max().to_dict()).query("kind == 'controls'")
    assert set(band["search"]) == {TESTED} and band["high"].max() == pytest.approx(0.1)


def test_the_front_of_the_search_is_monotonous_and_beats_what_is_not_on_it(table):
    own = marked(table[(table["search"] == SEARCHED) & (table["cost"] == "accuracy")])
    front = own[own["front"]].sort_values("spent")
    assert front["gained"].is_monotonic_increasing and len(front) > 1
    for row in own[~own["front"]].itertuples():
        assert ((front["spent"] <= row.spent) & (front["gained"] >= row.gained)).any()


def test_the_figure_has_a_column_for_each_cost_that_was_measured(table):
    data = chart_data(draw(table, costs(CONFIG.pasta.limits, DETECTOR)).to_dict())
    assert set(data["cost"]) == {"accuracy", "refusal", "over_refusal", "degenerate"}


def test_without_the_search_the_tested_edits_are_shown_alone():
    tables = pasta_tables()
    assert set(tried(tables.but(operating=None), MODEL, DETECTOR)["search"]) == {TESTED}
    assert set(tried(tables.but(measures=None), MODEL, DETECTOR)["search"]) == {SEARCHED}
    with pytest.raises(MissingEvidence):
        tried(Tables(), MODEL, DETECTOR)
