"""Which mask of a grid is chosen, and that none is chosen that lowers refusals or takes benign generation away."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.methods import Statistics
from anatomy.errors import DataError
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.choosing import choose, what_is_left
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST, UNEDITED
from anatomy.recipes.pruning.tables import limits_table

WANTED, STATISTICS = Pruning(prune=[0.05, 0.2], preserve=[0.0, 0.3], scored=["x"]), Statistics(bootstrap=300)
WHOLE, BENIGN = "benign recognition explanation", "benign"


def masks_of(weights=9):
    rows = [
        {"mask": f"q{q:g}-p{p:g}{'' if protected == WHOLE else '-benign'}", "protected": protected, "q": q, "p": p}
        for protected in (WHOLE, BENIGN)
        for p in ((0.0, 0.3) if protected == WHOLE else (0.3,))
        for q in (0.05, 0.2)
    ]
    control = {"mask": "random, q0.2", "protected": WHOLE, "q": 0.2, "p": 0.0, "control": "random"}
    return pd.DataFrame([*rows, control]).fillna({"control": ""}).assign(ranking="matrix", weights=weights)


def verdicts(rates, refusals=None, prompts=20):
    """Verdicts on so many prompts of each ability: mask to (generation, benign, recognition, coherent), and to refusals."""
    rows = []
    for mask, (generation, benign, recognition, coherent) in rates.items():
        several = {"generation": generation, "benign": benign, "recognition": recognition}
        several |= {"refusal": refusals[mask]} if refusals and mask in refusals else {}
        for ability, rate in several.items():
            for k in range(prompts):
                row = {"mask": mask, "ability": ability, "id": f"{ability}/{k}", "group": f"{ability}{k // 2}"}
                row |= {"value": float(k < prompts * rate), "coherent": float(k < prompts * coherent)}
                row |= {"harmful": ability in ("generation", "refusal"), "seen": ability in ("generation", "refusal")}
                rows.append(row)
                if ability == "generation":  # a kind that was not scored, of which nothing is left under the worst mask
                    rows.append({**row, "id": f"unseen/{k}", "seen": False, "value": float(mask != "q0.2-p0")})
    return pd.DataFrame(rows)


def chosen(rates, refusals=None, prompts=20):
    return choose(WANTED, STATISTICS, masks_of(), verdicts(rates, refusals, prompts))


def test_the_mask_with_least_harm_within_the_limits_is_chosen():
    rates = {
        UNEDITED: (1.0, 1.0, 1.0, 1.0),
        "q0.05-p0": (0.4, 0.9, 1.0, 1.0),
        "q0.2-p0": (0.0, 0.1, 1.0, 1.0),
        "q0.05-p0.3": (0.6, 1.0, 1.0, 1.0),
        "q0.2-p0.3": (0.0, 0.9, 0.5, 1.0),
        "q0.05-p0.3-benign": (0.0, 1.0, 1.0, 1.0),
    }
    found = chosen(rates)
    assert (found.plan.name, found.plan.q, found.plan.p) == (CHOSEN, 0.05, 0.0) and "2 of 4 masks within" in found.why
    assert found.within


def test_a_mask_is_not_taken_to_leave_refusals_that_nobody_asked_for():
    """As of a model of one's own without a set that asks for them: its mask would be saved as one that leaves them."""
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.5, 1.0, 1.0, 1.0)}
    assert chosen(rates).within and not chosen(rates).keeps_refusal
    assert chosen(rates, {UNEDITED: 0.0, "q0.05-p0": 0.0}).keeps_refusal, "a base refuses nothing, and loses nothing"


def test_a_random_mask_is_never_chosen():
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.9, 1.0, 1.0, 1.0), "random, q0.2": (0.0, 1.0, 1.0, 1.0)}
    found = chosen(rates)
    assert (found.plan.name, found.plan.q) == (CHOSEN, 0.05) and "1 of 1 masks" in found.why


def test_a_mask_that_lowers_refusals_is_never_chosen():
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.5, 1.0, 1.0, 1.0), "q0.2-p0": (0.0, 1.0, 1.0, 1.0)}
    refusals = {UNEDITED: 1.0, "q0.05-p0": 1.0, "q0.2-p0": 0.5}
    found = chosen(rates, refusals)
    assert found.plan.name == CHOSEN and found.plan.q == 0.05 and found.keeps_refusal
    found = chosen(rates, {**refusals, "q0.05-p0": 0.4})
    assert found.plan.name == NEAREST and found.plan.q == 0.2 and not found.within and not found.keeps_refusal
    assert "refusal 0.50 of 1.00" in found.why


def test_where_none_is_within_the_limits_none_is_chosen_and_the_nearest_is_named_so():
    rates = {
        UNEDITED: (1.0, 1.0, 1.0, 1.0),
        "q0.05-p0": (0.5, 0.6, 1.0, 1.0),
        "q0.2-p0": (0.0, 0.4, 1.0, 1.0),
        "q0.05-p0.3": (0.9, 1.0, 1.0, 0.2),
        "q0.2-p0.3": (0.5, 0.7, 1.0, 1.0),
    }
    found = chosen(rates)
    assert (found.plan.name, found.plan.q, found.plan.p) == (NEAREST, 0.2, 0.3) and found.why.startswith("none of 4")
    assert not found.within


@pytest.mark.parametrize(("prompts", "enough"), [(20, False), (120, True)])
@pytest.mark.parametrize("seed", range(15))
def test_whatever_the_rates_a_chosen_mask_is_within_every_limit(seed, prompts, enough):
    draw = np.random.default_rng(seed)
    names = [UNEDITED, *masks_of()["mask"]]
    rates = {name: tuple(draw.uniform(0.7, 1, 4)) for name in names}
    refusals = {name: float(draw.uniform(0.7, 1)) for name in names}
    values = verdicts(rates, refusals, prompts)
    found = choose(WANTED, STATISTICS, masks_of(), values)
    left = what_is_left(WANTED, STATISTICS, values)
    masks = masks_of().query("control == ''")
    name = masks.set_index(["protected", "q", "p"]).loc[(WHOLE, found.plan.q, found.plan.p), "mask"]
    own = left[left["mask"] == name].set_index("ability")
    assert ("kept" in set(own["rule"])) == enough
    reached = {ability: own.loc[ability, "left"] >= share * own.loc[ability, "before"] - 1e-9 for ability, share in WANTED.limits}
    kept = {ability: own.loc[ability, "low"] >= -1e-9 or own.loc[ability, "rule"] == "estimate" for ability in reached}
    assert all(reached[ability] and kept[ability] for ability in reached) == found.within == (found.plan.name == CHOSEN)
    if not found.within:
        whole = left[left["mask"].isin(masks.loc[masks["protected"] == WHOLE, "mask"])]
        assert not whole.groupby("mask")["within"].all().any(), "a mask within the limits was there"


def test_a_model_that_hardly_refuses_is_not_held_to_one_answer():
    """4 of 36 refusals: a mask that leaves 3 of them is no worse by anything that was shown, and is not kept for an export."""
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.8, 1.0, 1.0, 1.0), "q0.2-p0": (0.0, 1.0, 1.0, 1.0)}
    refusals = {UNEDITED: 4 / 36, "q0.05-p0": 4 / 36, "q0.2-p0": 3 / 36}
    found = chosen(rates, refusals, prompts=36)
    assert found.plan.name == CHOSEN and found.plan.q == 0.2 and found.within and not found.keeps_refusal
    left = what_is_left(WANTED, STATISTICS, verdicts(rates, refusals, prompts=36))
    row = left[(left["mask"] == "q0.2-p0") & (left["ability"] == "refusal")].iloc[0]
    assert np.isnan(row["share"]) and row["within"] and row["state"] == "undecided" and row["high"] >= 0


def test_a_model_that_refuses_a_little_does_not_lose_what_it_has():
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.8, 1.0, 1.0, 1.0), "q0.2-p0": (0.0, 1.0, 1.0, 1.0)}
    refusals = {UNEDITED: 0.15, "q0.05-p0": 0.15, "q0.2-p0": 0.0}
    found = chosen(rates, refusals, prompts=400)
    assert found.plan.q == 0.05, "60 refusals of 400 that are gone are shown to be gone"


def benign_under(left, things, per_thing=2):
    """What is said of benign generation under a mask that leaves such a share of it, on so many things."""
    rows = []
    for mask, rate in {UNEDITED: 1.0, "q0.2-p0": left}.items():
        for k in range(things * per_thing):
            row = {
                "mask": mask,
                "ability": "benign",
                "id": f"benign/{k}",
                "group": k // per_thing,
                "harmful": False,
                "seen": False,
            }
            rows.append({**row, "value": float(k < things * per_thing * rate), "coherent": 1.0})
    table = what_is_left(WANTED, STATISTICS, pd.DataFrame(rows))
    return table[(table["mask"] == "q0.2-p0") & (table["ability"] == "benign")].iloc[0]


@pytest.mark.parametrize(
    ("left", "things", "within"), [(0.84, 18, False), (0.95, 18, True), (0.86, 300, True), (0.78, 300, False)]
)
def test_with_prompts_enough_a_mask_has_to_be_shown_to_keep_an_ability(left, things, within):
    """.83 of 36 answers about 18 things is above the share of .80, and the best of a grid is so by chance."""
    row = benign_under(left, things)
    assert row["rule"] == "kept" and row["within"] == within == (row["low"] >= 0)


@pytest.mark.parametrize(("left", "within"), [(1.0, True), (0.75, False)])
def test_on_fewer_prompts_the_estimate_has_to_reach_the_share(left, within):
    row = benign_under(left, things=4)
    assert row["rule"] == "estimate" and row["within"] == within


def test_a_loss_that_is_undecided_counts_against_a_mask():
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0), "q0.05-p0": (0.8, 1.0, 1.0, 1.0), "q0.2-p0": (0.0, 0.75, 1.0, 1.0)}
    found, left = chosen(rates), what_is_left(WANTED, STATISTICS, verdicts(rates))
    row = left[(left["mask"] == "q0.2-p0") & (left["ability"] == "benign")].iloc[0]
    assert row["state"] == "undecided" and not row["within"] and found.plan.q == 0.05


def test_a_grid_without_weights_is_refused():
    with pytest.raises(DataError, match=r"pruning\.prune"):
        choose(WANTED, STATISTICS, masks_of(0), verdicts({UNEDITED: (1.0, 1.0, 1.0, 1.0)}))


@pytest.mark.parametrize(("lowered", "name"), [(1.0, CHOSEN), (0.3, NEAREST)])
def test_the_page_says_what_the_mask_leaves_beside_each_limit(lowered, name):
    rates = {UNEDITED: (1.0, 1.0, 1.0, 1.0)} | {mask: (0.5, lowered, 1.0, 1.0) for mask in masks_of()["mask"]}
    values, model = verdicts(rates), {"model": "aligned.s0"}
    found = choose(WANTED, STATISTICS, masks_of(), values)
    masks = pd.DataFrame([{**vars(found.plan), "mask": found.plan.name, "protected": " ".join(found.plan.protected)}])
    tables = Tables(
        masks=pd.concat([masks, pd.DataFrame([{"mask": "ActSVD", "protected": "benign"}])]).assign(**model),
        grid_masks=masks_of().assign(**model),
        limits=what_is_left(WANTED, STATISTICS, values).assign(**model),
    )
    table = limits_table(tables).set_index("ability")
    assert set(table["mask"]) == {name} and set(table.index) == {"benign", "recognition", "coherence"}
    assert table.loc["benign", "left"] == lowered and table.loc["benign", "share"] == WANTED.limits.benign
    assert table["within"].all() == (name == CHOSEN)
