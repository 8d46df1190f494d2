"""Cells of the matrices of transfer and overlap, in which what is there was planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.rules import difference_below
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.against_chance import OTHERS, Changes, overlaps_table, pooled, transfer_table, transferred
from anatomy.recipes.pruning.claims import claims_of
from anatomy.recipes.pruning.figures import both_ways, heat
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, UNEDITED, MaskPlan, matched, sized_as_kinds
from anatomy.statistics.paired import sign_flip_p

MODEL = "aligned.s0"
CONFIG = check_config({"recipes": ["pruning"]}, "-")
KINDS = ("hex", "snare", "ruse")
THINGS = 12


def answers(mask, left):
    """Two prompts a thing of every kind, a third of the things in each split; ``left``: kind to the share of things that stay."""
    rows = []
    for kind in KINDS:
        for thing in range(THINGS):
            for form in range(2):
                row = {"model": MODEL, "mask": mask, "ability": "generation", "id": f"{kind}/{thing}/{form}", "category": kind}
                row |= {"group": f"{kind}{thing}", "split": ("fit", "select", "test")[thing % 3], "seen": kind != "ruse"}
                rows.append({**row, "value": float(thing < round(THINGS * left[kind])), "coherent": 1.0, "harmful": True})
    return pd.DataFrame(rows)


def everywhere(rate):
    return dict.fromkeys(KINDS, rate)


def tables(hex_leaves, random_leaves=1.0):
    given = {UNEDITED: everywhere(1.0), CHOSEN: everywhere(0.0), "random-1": everywhere(1.0), "random-2": everywhere(1.0)}
    given |= {"kind.hex": hex_leaves, f"{matched('kind.hex')}-1": everywhere(random_leaves)}
    given |= {"kind.snare": everywhere(1.0), f"{matched('kind.snare')}-1": everywhere(random_leaves)}
    return Tables(values=pd.concat([answers(mask, left) for mask, left in given.items()]))


def test_what_transfers_is_marked_and_what_random_masks_do_too_is_not():
    found = transfer_table(CONFIG, tables({"hex": 0.0, "snare": 0.0, "ruse": 1.0})).set_index(["pruned", "asked"])
    assert found.loc[("hex", "snare"), "p_value"] == 2.0**-THINGS and found.loc[("hex", "snare"), "p_adjusted"] < 0.05
    assert found.loc[("hex", "snare"), "change"] == -1 and found.loc[("hex", "snare"), "change_high"] < -0.5
    assert found.loc[("hex", "ruse"), "p_adjusted"] == found.loc[("snare", "hex"), "p_adjusted"] == 1
    assert found.loc[("hex", "hex"), "clusters"] == THINGS / 3, "its own kind is asked on the test split alone"
    assert found.loc[("hex", OTHERS), "n"] == 2 * 2 * THINGS and found.loc[("hex", OTHERS), "p_adjusted"] < 0.05
    assert found.loc[(UNEDITED, "hex"), "p_value"] != found.loc[(UNEDITED, "hex"), "p_value"], "nothing is tested without a mask"
    same = transfer_table(CONFIG, tables(everywhere(0.0), random_leaves=0.0)).set_index(["pruned", "asked"])
    assert same.loc[("hex", "snare"), "p_adjusted"] == 1, "a random mask does as much"


def test_the_correction_counts_every_tested_cell():
    found = transfer_table(CONFIG, tables({"hex": 0.0, "snare": 0.0, "ruse": 1.0}))
    tested = found[found["p_value"].notna()]
    least = tested["p_value"].min()
    assert tested.loc[tested["p_value"].idxmin(), "p_adjusted"] == pytest.approx(least * len(tested))
    assert len(tested) == 3 + 2 * (3 + 1), "the chosen mask's cells, and those of two kinds with one for all others"


def test_a_cell_of_few_things_has_no_small_p():
    found = transfer_table(CONFIG, tables(everywhere(0.0))).set_index(["pruned", "asked"])
    assert found.loc[("hex", "hex"), "p_value"] == 2.0 ** -(THINGS / 3) and found.loc[("hex", "hex"), "p_adjusted"] > 0.05


@pytest.mark.parametrize(
    ("left", "coherent", "verdict"),
    [(0.0, 1.0, Verdict.SUPPORTED), (1.0, 1.0, Verdict.NOT_SUPPORTED), (0.0, 0.5, Verdict.NOT_SUPPORTED)],
)
def test_transfer_to_other_kinds_is_a_claim_and_a_broken_model_shows_none(left, coherent, verdict):
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    claims = [claim for claim in claims_of(CONFIG, subject) if claim.id == "pruning.transfers"]
    given = tables({"hex": 0.0, "snare": left, "ruse": left}, random_leaves=1.0 if not left else 0.5)
    names = given.values["mask"].unique()
    benign = {
        "model": MODEL,
        "ability": "benign",
        "category": "tea",
        "split": "test",
        "seen": False,
        "harmful": False,
        "value": 1.0,
    }
    rows = [
        {**benign, "mask": mask, "id": f"tea/{thing}", "group": f"tea{thing}", "coherent": float(alike or thing < 120 * coherent)}
        for mask in names
        for alike in [not mask.startswith("kind.")]
        for thing in range(120)
    ]
    given = Tables(values=pd.concat([given.values, pd.DataFrame(rows)]))
    ledger = evaluate_ledger(claims, given, seed=0, resampling=Resampling(0.95, 0, 500))
    assert ledger["verdict"].item() == verdict


def test_one_kind_alone_transfers_nothing_and_that_is_said():
    rows = pd.concat([answers(UNEDITED, everywhere(1.0)), answers(CHOSEN, everywhere(0.0))])
    with pytest.raises(MissingEvidence, match="another"):
        transferred(MODEL)(Tables(values=rows))


def test_random_masks_have_the_size_of_each_kind_in_every_matrix():
    import torch

    shapes = {"a": (40, 30), "b": (20, 30)}
    plans = [
        (MaskPlan(name, "x", (), "matrix", 0.1, 0.0), {"a": torch.arange(count), "b": torch.arange(2 * count)})
        for name, count in (("chosen", 7), ("kind.x", 11), ("kind.y", 23))
    ]
    found = {plan.name: mask for plan, mask in sized_as_kinds(Pruning(control_draws=2), plans, shapes, 0)}
    assert {name: {matrix: len(one) for matrix, one in mask.items()} for name, mask in found.items()} == {
        f"{matched(f'kind.{kind}')}-{draw}": {"a": count, "b": 2 * count}
        for kind, count in (("x", 11), ("y", 23))
        for draw in (1, 2)
    }
    one, two = (found[f"{matched('kind.x')}-{draw}"]["a"] for draw in (1, 2))
    assert not torch.equal(one, two), "each draw is another mask"


def test_every_draw_of_random_masks_counts():
    given = {UNEDITED: everywhere(1.0), "kind.hex": everywhere(0.0)}
    given |= {f"{matched('kind.hex')}-{draw}": everywhere(left) for draw, left in ((1, 1.0), (2, 0.5), (3, 0.0))}
    values = pd.concat([answers(mask, left) for mask, left in given.items()])
    found = transfer_table(CONFIG, Tables(values=values)).set_index(["pruned", "asked"]).loc[("hex", "ruse")]
    assert found["random"] == pytest.approx(0.5) and found["change"] == pytest.approx(-0.5)


def drawn_masks(own, several, things=40, seed=0):
    """One mask and random ones by how often each leaves harm: 0 or 1 for each thing, of two kinds that are not the mask's."""
    generator, found = np.random.default_rng(seed), []
    for mask, rate in {"kind.hex": own, **{f"{matched('kind.hex')}-{n + 1}": rate for n, rate in enumerate(several)}}.items():
        left = (generator.random(things) < rate).astype(float)
        named = {"model": MODEL, "mask": mask, "ability": "generation", "category": "snare", "split": "test", "seen": True}
        found.append(
            pd.DataFrame({"id": [f"x/{n}" for n in range(things)], "value": left}).assign(group=lambda t: t["id"], **named)
        )
    return Tables(values=pd.concat(found, ignore_index=True))


def test_random_masks_that_disagree_make_the_interval_wider_and_the_p_larger():
    # The same prompts, and the same mean over random masks of each: what differs is whether the masks do.
    def tabled(columns):
        rows = [("kind.hex", n, float(n < 4)) for n in range(40)]
        rows += [(f"{matched('kind.hex')}-{draw + 1}", n, column[n]) for draw, column in enumerate(columns) for n in range(40)]
        table = pd.DataFrame(rows, columns=["mask", "group", "value"]).assign(id=lambda t: t["group"], model=MODEL)
        return Tables(values=table.assign(ability="generation", category="snare", split="test", seen=True))

    halves = ([0.5] * 40, [0.5] * 40)
    apart = ([0.2] * 40, [0.8] * 40)
    found = [transfer_table(CONFIG, tabled(one)).set_index(["pruned", "asked"]).loc[("hex", "snare")] for one in (halves, apart)]
    assert found[0]["change"] == pytest.approx(found[1]["change"]) and found[0]["change_high"] < 0 < found[1]["change_high"]
    assert found[0]["p_value"] < 0.001 and found[1]["p_value"] > 0.05
    judged = [difference_below(transferred(MODEL)(tabled(one)), Resampling(0.95, 0, 500), threshold=0) for one in (halves, apart)]
    assert [one.verdict for one in judged] == [Verdict.SUPPORTED, Verdict.INCONCLUSIVE]
    assert judged[0].n == judged[1].n == 40 and judged[1].p > 0.05


def test_a_mask_that_is_one_more_random_mask_is_seldom_found_to_be_better():
    generator, runs = np.random.default_rng(7), 300
    p_values, without = [], []
    for run in range(runs):
        own, *several = generator.uniform(0.3, 0.9, 4)
        sample = transferred(MODEL)(drawn_masks(own, several, seed=run)).negated().sample
        for into, error in ((p_values, sample.error), (without, 0.0)):
            into.append(sign_flip_p(replace(sample, error=error), alternative="greater", seed=run, resamples=400))
    assert np.mean(np.array(p_values) < 0.05) < 0.08
    assert np.mean(np.array(without) < 0.05) > 0.15, "what prompts alone say"


def test_a_mask_that_is_better_is_found_where_random_ones_agree():
    found = difference_below(transferred(MODEL)(drawn_masks(0.1, (0.85, 0.9, 0.88))), Resampling(0.95, 0, 500), threshold=0)
    assert found.verdict == Verdict.SUPPORTED and found.p < 0.05


def test_errors_of_several_masks_add_up():
    table = pd.DataFrame({"value": [0.0, 0.1], "random": 0.5, "group": ["a", "b"]})
    one = pooled([Changes(table, 0.04, 2.0)])
    assert (one.error, one.freedom) == pytest.approx((0.2, 2.0))
    four = pooled([Changes(table, 0.04, 2.0)] * 4)
    assert (four.error, four.freedom) == pytest.approx((0.1, 8.0)), "as many masks, a quarter of the variance"
    assert pooled([Changes(table, 0.0, 0.0)]).error == 0, "one random mask says nothing of how masks differ"


def test_heads_are_corrected_for_their_number_and_drawn_one_panel_a_matrix():
    from anatomy.recipes.pruning.figures import heads
    from anatomy.recipes.pruning.tables import heads_table

    named = {"model": MODEL, "mask": CHOSEN, "layer": 0, "size": 100}
    rows = [{**named, "module": "q_proj", "head": head, "weights": 30 * head, "expected": 15.0} for head in (0, 1)]
    rows += [{**named, "module": "o_proj", "head": head, "weights": 0, "expected": 0.0} for head in (0, 1)]
    table = pd.DataFrame(rows).assign(matrix="m", p_value=[1.0, 1e-6, 1.0, 1.0])
    found = heads_table(Tables(heads=table))
    assert list(found["times"]) == [0.0, 2.0, 1.0, 1.0] and list(found["p_adjusted"]) == pytest.approx([1, 4e-6, 1, 1])
    chart = heads(found, 0.05).to_dict()
    (drawn,) = chart["datasets"].values()
    assert [row["said"] for row in drawn] == ["", "*", "", ""] and chart["facet"]["sort"] == ["q_proj", "o_proj"]


def overlapping(several):
    rows = [{"model": MODEL, "one": one, "two": two, "jaccard": index, "p_value": p} for one, two, index, p in several]
    return Tables(overlaps=pd.DataFrame(rows).assign(expected=0.01, random_low=0.0, random_high=0.02))


def test_overlaps_are_corrected_for_their_number_and_marked():
    found = overlaps_table(overlapping([("a", "b", 0.3, 1e-9), ("a", "c", 0.02, 0.03), ("b", "c", 0.01, 0.5)]))
    assert list(found["p_adjusted"]) == pytest.approx([3e-9, 0.06, 0.5])
    chart = heat(both_ways(found), ("one", ""), ("two", ""), ("jaccard", "Jaccard index"), 0.05)
    (rows,) = [rows for rows in chart.to_dict()["datasets"].values()]
    said = {(row["one"], row["two"]): row["said"] for row in rows}
    assert said["a", "b"] == said["b", "a"] == "0.30*" and said["a", "c"] == "0.02" and said["a", "a"] == "1.00"
