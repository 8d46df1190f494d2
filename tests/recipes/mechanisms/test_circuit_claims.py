"""Verdicts about paths and subspaces on tables in which the answer was planted."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import circuit_figures as drawn
from anatomy.recipes.mechanisms.circuit_claims import circuit_claims
from anatomy.recipes.mechanisms.circuit_tables import CIRCUIT_COLUMNS

MODEL, PAIRS = "aligned.s0", 20
GATE, AMPLIFIER = (1, 2), (3, 1)


@pytest.fixture(scope="module")
def config():
    return check_config({"statistics": {"bootstrap": 200}}, "a test")


def tables_of(*, gap=8.0, gate=0.6, direct=0.0, past_heads=0.05, random=0.0, learned=0.9, dealt=0.4, drawn_at_random=0.05):
    """A gate in block 1 whose effect goes through a head of block 3, beside a head that does nothing."""
    generator = np.random.default_rng(0)
    patches, paths, exchanges = [], [], []

    def noise():
        return generator.normal(scale=0.002)

    for n in range(PAIRS):
        name, group = f"p{n}", f"g{n}"
        for way in ("denoise", "noise"):
            patches.append((way, gap, 0.0, name, group))
            for role, place, head, size in (("top", 1, GATE, gate), ("random", 5, (0, 0), random)):
                whole = {"total": size, "direct": direct * (role == "top"), "without_heads": past_heads * (role == "top")}
                for path, value in whole.items():
                    paths.append((role, place, *head, path, -1, -1, way, gap, 0.0, 0.0, value + noise(), name, group))
                for path, receiver in product(("edge", "route"), ((2, 0), AMPLIFIER)):
                    value = size * (receiver == AMPLIFIER) + noise()
                    paths.append((role, place, *head, path, *receiver, way, gap, 0.0, 0.0, value, name, group))
            found = {"whole": 1.0, "learned": learned, "dealt": dealt, "refusal": 0.8}
            found |= {"random": drawn_at_random, "random_length": drawn_at_random}
            for subspace, value in found.items():
                exchanges.append((2, -1, 1, name, group, way, gap, 0.0, subspace, 0, value + noise(), 1.0))
    named = {
        "patching": pd.DataFrame(patches, columns=["way", "clean", "corrupt", "id", "group"]),
        "paths": pd.DataFrame(paths, columns=list(CIRCUIT_COLUMNS["paths"])),
        "interchange": pd.DataFrame(exchanges, columns=list(CIRCUIT_COLUMNS["interchange"])),
    }
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def verdicts(config, tables):
    subject = next(one for one in subjects(config) if one.id == MODEL)
    ledger = evaluate_ledger(circuit_claims(config, subject), tables, seed=0, resampling=Resampling(0.95, 0, 200))
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


def test_what_was_planted_is_supported(config):
    assert verdicts(config, tables_of()) == dict.fromkeys(("gate", "routed", "subspace"), Verdict.SUPPORTED)


@pytest.mark.parametrize(
    ("planted", "fails"),
    [
        ({"direct": 0.2}, {"gate"}),  # it writes refusal itself
        ({"past_heads": 0.5}, {"gate"}),  # what it does goes past later heads
        ({"random": 0.7}, {"gate", "routed"}),  # any head does as much
        ({"gate": -0.05}, {"gate", "routed"}),
        ({"learned": 0.3}, {"subspace"}),
        ({"dealt": 0.95}, {"subspace"}),
        ({"drawn_at_random": 0.95}, {"subspace"}),
        ({"gap": -1.0}, {"gate", "routed", "subspace"}),
    ],
)
def test_the_opposite_is_not(config, planted, fails):
    found = verdicts(config, tables_of(**planted))
    assert {name for name, verdict in found.items() if verdict != Verdict.SUPPORTED} == fails


def test_without_refusal_tokens_nothing_can_be_tested(config):
    empty = {name: pd.DataFrame(columns=[*columns, "model"]) for name, columns in CIRCUIT_COLUMNS.items()}
    tables = tables_of().but(**empty)
    assert set(verdicts(config, tables).values()) == {Verdict.NOT_TESTABLE}
    assert drawn.heads_table(config, tables, MODEL).empty and drawn.subspaces_table(config, tables, MODEL).empty


def test_the_table_names_the_head_that_a_gate_works_through(config):
    table = drawn.heads_table(config, tables_of(), MODEL).set_index(["role", "way"])
    row = table.loc[("chosen on fit", "denoise")]
    assert row["head"] == "1.2" and row["largest"] == "3.1" and row["total"] == pytest.approx(0.6, abs=0.01)
    assert (table["low"] < table["total"]).all() and (table["total"] < table["high"]).all()
    subspaces = drawn.subspaces_table(config, tables_of(), MODEL).set_index(["subspace", "way"])
    assert subspaces.loc[("learned", "noise"), "recovery"] == pytest.approx(0.9, abs=0.01)


def test_every_figure_is_drawn():
    tables = tables_of()
    for chart in (drawn.paths(tables.rows("paths")), drawn.interchange(tables.rows("interchange"))):
        assert chart.to_dict()["config"]
