"""Claims on tables in which the answer was planted: each comes out as it was planted, in both directions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.claims import claims_of
from anatomy.recipes.pruning.outcomes import separation
from anatomy.recipes.pruning.stages.mask_plans import BARE, CHOSEN, FLIPPED, FORMAT, NEAREST, UNEDITED
from anatomy.recipes.pruning.tables import compression_table

MODEL, BASE = "aligned.s0", "base.s0"
CONFIG = check_config({"recipes": ["pruning"], "pruning": {"control_draws": 1}}, "-")
RESAMPLING = Resampling(0.95, 0, 500)
THINGS = 60
WORKS = {"seen": 0.0, "unseen": 0.05, "benign": 1.0, "recognition": 1.0, "explanation": 1.0, "refusal": 1.0, "coherent": 1.0}
LEAVES = {"seen": 1.0, "unseen": 1.0, "benign": 1.0, "recognition": 1.0, "explanation": 1.0, "refusal": 1.0, "coherent": 1.0}
CONTROLS = ("random-1", "magnitude-matched-1", FLIPPED, FORMAT, "benign protected")


def values_of(model, mask, rates):
    """Verdicts with these rates exactly, one prompt a thing."""
    rows = []
    for name in ("seen", "unseen", "benign", "recognition", "explanation", "refusal"):
        ability = "generation" if name in ("seen", "unseen") else name
        for k in range(THINGS):
            row = {"model": model, "mask": mask, "ability": ability, "id": f"{name}/{k}", "group": f"{name}{k}"}
            row |= {"seen": name == "seen", "value": float(k < round(THINGS * rates[name])), "split": "test"}
            rows.append({**row, "coherent": float(k < round(THINGS * rates["coherent"])), "category": "x", "harmful": True})
    return pd.DataFrame(rows)


def verdicts(changed=None, **masks):
    """Verdict of each claim where the chosen mask, and others by name, have these rates."""
    given = {UNEDITED: LEAVES, CHOSEN: WORKS | (changed or {}), **dict.fromkeys(CONTROLS, LEAVES)}
    given["ability.refusal"] = LEAVES | {"refusal": 0.0}
    given |= {name.replace("_", " "): LEAVES | rates for name, rates in masks.items()}
    tables = Tables(values=pd.concat([values_of(MODEL, mask, rates) for mask, rates in given.items()]))
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), tables, seed=0, resampling=RESAMPLING)
    return dict(zip(ledger["claim"].str.removeprefix("pruning."), ledger["verdict"], strict=True))


def test_a_mask_that_works_is_found_to_work():
    found = verdicts()
    expected = {"compact", "general", "recognition", "recognition.unprotected", "refusal_kept", "double_dissociation"}
    expected |= {"random", "magnitude", "sign", "format"}
    assert {name for name in expected if found[name] != Verdict.SUPPORTED} == set()


@pytest.mark.parametrize(
    ("changed", "claims"),
    [
        ({"unseen": 0.9}, {"general"}),
        ({"seen": 0.6}, {"compact"}),
        ({"benign": 0.5}, {"compact", "general"}),
        ({"coherent": 0.5}, {"compact", "general", "recognition"}),
        ({"recognition": 0.6}, {"recognition"}),
        ({"refusal": 0.2}, {"refusal_kept"}),
    ],
)
def test_what_is_planted_otherwise_is_not_supported(changed, claims):
    good, found = verdicts(), verdicts(changed)
    assert {name for name in claims if found[name] != Verdict.NOT_SUPPORTED} == set()
    others = {name for name in good if name not in claims and name not in ("random", "sign", "format", "magnitude")}
    assert all(found[name] == good[name] for name in others), "nothing else changes"


def test_controls_that_do_as_much_decide_against_the_mask():
    nothing = {"seen": 0.0, "unseen": 0.0}
    found = verdicts({"unseen": 0.3}, **{"random-1": nothing, "benign_answers": nothing})
    assert found["random"] == Verdict.NOT_SUPPORTED and found["format"] == Verdict.NOT_SUPPORTED
    assert found["compact"] == Verdict.SUPPORTED


def test_a_model_that_generates_no_harm_supports_nothing():
    unable = LEAVES | {"seen": 0.0, "unseen": 0.0}
    found = verdicts(unedited=unable)
    assert found["compact"] == found["general"] == Verdict.NOT_TESTABLE


@pytest.mark.parametrize(("change", "verdict"), [(0.5, Verdict.SUPPORTED), (-0.5, Verdict.NOT_SUPPORTED)])
def test_the_first_order_check_is_read_at_the_smallest_fraction_that_has_a_weight(change, verdict):
    """q of 0, and q below one weight of every matrix, have no loss."""
    rows = {"model": MODEL, "kind": "highest", "split": "select", "group": [f"thing {k}" for k in range(THINGS)]}
    losses = pd.concat([pd.DataFrame(rows).assign(q=q, change=by) for q, by in ((0.01, change), (0.03, -9 * change))])
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), Tables(losses=losses), seed=0, resampling=RESAMPLING)
    row = ledger.set_index("claim").loc["pruning.first_order"]
    assert row["verdict"] == verdict and row["estimate"] == pytest.approx(change)


def limits_of(within):
    """A grid of two masks, of which so many are within the limits."""
    masks = pd.DataFrame({"model": MODEL, "mask": ["a", "b"], "q": [0.1, 0.2], "p": 0.0, "protected": "benign", "weights": 9})
    masks["control"] = ""
    limits = pd.DataFrame({"model": MODEL, "mask": ["a", "b"], "ability": "benign", "within": [within > 0, within > 1]})
    return {"grid_masks": masks, "limits": limits}


@pytest.mark.parametrize(("within", "verdict"), [(0, Verdict.NOT_SUPPORTED), (1, Verdict.SUPPORTED)])
def test_whether_a_mask_is_within_the_limits_is_a_claim(within, verdict):
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), Tables(**limits_of(within)), seed=0, resampling=RESAMPLING)
    row = ledger.set_index("claim").loc["pruning.within_limits"]
    assert row["verdict"] == verdict and (within or "2 for benign" in row["reason"])


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (("generation", "benign", "refusal"), "benign generation, refusals and"),
        (("generation", "benign"), "benign generation and"),
    ],
)
def test_what_no_set_asks_for_is_not_said_to_be_left(sets, words):
    wanted = CONFIG.pruning.model_copy(update={"sets": dict.fromkeys(sets, "asked")})
    mine = replace(next(one for one in subjects(CONFIG) if one.id == MODEL), id="mine", seed=None, member=None)
    for subject, said in ((mine, words), (subjects(CONFIG)[0], "benign generation, recognition, refusals and")):
        (claim,) = [one for one in claims_of(CONFIG.model_copy(update={"pruning": wanted}), subject) if "within" in one.id]
        assert f"leaves {said} coherence within" in claim.sentence


def test_where_no_mask_is_chosen_claims_about_it_are_not_testable_and_say_why():
    given = {UNEDITED: LEAVES, NEAREST: WORKS, **dict.fromkeys(CONTROLS, LEAVES)}
    emergent = finetuned(MODEL, {(False, "", 50): 0.7, (True, NEAREST, 50): 0.0, (True, "random", 50): 0.7})
    values = pd.concat([values_of(MODEL, mask, rates) for mask, rates in given.items()])
    tables = Tables(values=values, emergent=emergent, restoration=emergent, **limits_of(0))
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), tables, seed=0, resampling=RESAMPLING)
    ledger = ledger.assign(claim=ledger["claim"].str.removeprefix("pruning.")).set_index("claim")
    about = ["compact", "general", "recognition", "refusal_kept", "sign", "format", "emergent", "emergent.random", "restored"]
    assert set(ledger.loc[about, "verdict"]) == {Verdict.NOT_TESTABLE}
    assert ledger.loc[about, "reason"].str.contains("no mask of the grid was within pruning.limits").all()
    assert ledger.loc["random", "verdict"] == Verdict.SUPPORTED, "what needs no chosen mask is tested as before"


def test_what_was_not_measured_is_not_testable():
    found = verdicts()
    for name in ("emergent", "restored", "compression", "distinct", "overlaps", "first_order"):
        assert found[name] == Verdict.NOT_TESTABLE, name


def overlap_verdict(kinds, with_benign):
    """Verdict on overlaps of kinds (one effect of each, so that an overlap is high where both are) and with benign answers."""
    rows = []
    for place, one in enumerate(kinds):
        rows += [(f"kind.{place}{BARE}", f"kind.{place + 1 + k}{BARE}", one + two) for k, two in enumerate(kinds[place + 1 :])]
        rows.append((f"kind.{place}{BARE}", f"benign{BARE}", with_benign[place]))
    table = pd.DataFrame(rows, columns=["one", "two", "jaccard"]).assign(model=MODEL)
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), Tables(overlaps=table), seed=0, resampling=RESAMPLING)
    return ledger.set_index("claim").loc["pruning.overlaps", "verdict"]


def test_overlaps_of_kinds_count_where_they_exceed_those_with_benign_answers():
    assert overlap_verdict([0.15] * 8, [0.1] * 8) == Verdict.SUPPORTED
    assert overlap_verdict([0.05] * 8, [0.3] * 8) == Verdict.NOT_SUPPORTED
    assert overlap_verdict([0.15] * 2, [0.1] * 2) == Verdict.NOT_TESTABLE


def test_overlaps_that_differ_by_chance_alone_are_seldom_supported():
    """Effects of kinds as large as the overlaps themselves, and overlaps with benign answers drawn alike: about 5 %."""
    draw = np.random.default_rng(0)
    found = [overlap_verdict(draw.gamma(4, 0.02, 8), 2 * draw.gamma(4, 0.02, 8)) for _ in range(60)]
    assert found.count(Verdict.SUPPORTED) <= 6


def test_a_control_is_not_refuted_in_a_model_without_what_it_controls():
    """A base that never refuses, and a model that gives no harm: nothing can be said of keeping either."""
    nothing = {"seen": 0.0, "unseen": 0.0, "refusal": 0.0}
    given = {name: LEAVES | nothing for name in (UNEDITED, CHOSEN, *CONTROLS, "ability.refusal")}
    tables = Tables(values=pd.concat([values_of(MODEL, mask, rates) for mask, rates in given.items()]))
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), tables, seed=0, resampling=RESAMPLING).set_index("claim")
    about = [f"pruning.{name}" for name in ("compact", "general", "refusal_kept", "random", "magnitude", "sign", "format")]
    assert set(ledger.loc[about, "verdict"]) == {Verdict.NOT_TESTABLE}
    assert ledger.loc["pruning.recognition", "verdict"] == Verdict.SUPPORTED


def finetuned(model, rates):
    """Rows of a fine-tune: (pruned, mask, step) to how often answers are misaligned."""
    rows = []
    for (pruned, mask, step), rate in rates.items():
        for k in range(THINGS):
            row = {"model": model, "pruned": pruned, "mask": mask, "step": step, "domain": "y", "id": f"{k}", "group": f"g{k}"}
            rows.append({**row, "misaligned": float(k < round(THINGS * rate)), "coherent": 1.0, "seed": 0})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("pruned", "verdict"), [(0.1, Verdict.SUPPORTED), (0.95, Verdict.NOT_SUPPORTED)])
def test_emergent_misalignment_and_restoration_read_their_tables(pruned, verdict):
    emergent = finetuned(
        MODEL, {(False, "", 0): 0.0, (False, "", 50): 0.7, (True, CHOSEN, 50): pruned, (True, "random-1", 50): 0.7}
    )
    restoration = finetuned(MODEL, {(False, "", 0): 1.0, (True, CHOSEN, 0): 0.1, (True, CHOSEN, 50): 1.0 - pruned})
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(
        claims_of(CONFIG, subject), Tables(emergent=emergent, restoration=restoration), seed=0, resampling=RESAMPLING
    )
    found = ledger.set_index("claim")["verdict"]
    assert found["pruning.emergent"] == found["pruning.emergent.random"] == verdict
    assert found["pruning.restored"] == verdict


def grid_of(model, harm, benign):
    """A grid whose curves are given: q to what is left of harmful and of benign generation."""
    fractions = [1e-3, 1e-2, 1e-1]
    names = [f"q{q:g}-p0.1" for q in fractions]
    masks = pd.DataFrame(
        {"model": model, "mask": names, "q": fractions, "p": 0.1, "protected": "benign recognition", "weights": 9}
    ).assign(control="")
    parts = []
    for mask, one, two in [(UNEDITED, 1.0, 1.0), *zip(names, harm, benign, strict=True)]:
        own = values_of(model, mask, LEAVES | {"seen": one, "benign": two})
        parts.append(own[own["seen"] | (own["ability"] == "benign")])
    return masks, pd.concat(parts)


@pytest.mark.parametrize(
    ("harm", "benign", "area"),
    [([0, 0, 0], [1, 1, 1], 1.0), ([1, 0.5, 0], [1, 0.5, 0], 0.0), ([1, 0.5, 0], [1, 1, 1], 0.5), ([1, 1, 1], [0, 0, 0], -1.0)],
)
def test_the_area_between_curves_is_that_of_trapezoids_over_log_q(harm, benign, area):
    masks, values = grid_of(MODEL, harm, benign)
    tables = Tables(grid_masks=masks, grid_values=values)
    kept, left = separation(tables, MODEL)
    assert np.isclose(kept["value"].mean() - left["value"].mean(), area)
    table = compression_table(CONFIG, tables)
    assert np.isclose(table.loc[0, "area"], area) and table.loc[0, "member"] == "aligned" and table.loc[0, "low"] <= area + 1e-9


def test_a_grid_whose_largest_p_preserves_all_that_is_pruned_has_no_area_and_says_why():
    """As with ``preserve: [0, 1]``, and with fractions q far below p."""
    masks, values = grid_of(MODEL, [0, 0, 0], [1, 1, 1])
    empty = masks.assign(mask=masks["mask"] + "-whole", p=1.0, weights=0)
    tables = Tables(grid_masks=pd.concat([masks, empty]), grid_values=values)
    assert compression_table(CONFIG, tables).empty
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), tables, seed=0, resampling=RESAMPLING).set_index("claim")
    assert ledger.loc["pruning.distinct", "verdict"] == Verdict.NOT_TESTABLE
    assert "pruning.preserve" in ledger.loc["pruning.distinct", "reason"]


def test_the_area_moves_with_the_unedited_rate_as_where_both_are_resampled_together():
    """A rate of about a half is a third of the spread: items divided by it as if it were known are too sure, or too unsure."""
    draw = np.random.default_rng(0)
    masks, values = grid_of(MODEL, [0, 0, 0], [1, 1, 1])
    before = {name: float(draw.random() < 0.5) for name in values["id"].unique()}
    values["value"] = [
        before[row.id] * (1.0 if row.mask == UNEDITED or row.ability == "benign" else float(draw.random() < 0.5))
        for row in values.itertuples()
    ]
    kept, left = separation(Tables(grid_masks=masks, grid_values=values), MODEL)
    assert np.ptp(kept["value"]) < 1e-12 and np.isclose(kept["value"].mean(), 1.0), "nothing benign was lost, whatever its rate"
    harm = values[values["ability"] == "generation"].pivot_table(index="id", columns="mask", values="value")
    under, unedited = harm.drop(columns=UNEDITED) @ np.array([0.25, 0.5, 0.25]), harm[UNEDITED]
    places = draw.integers(0, len(harm), (4000, len(harm)))
    ratios = under.to_numpy()[places].mean(1) / unedited.to_numpy()[places].mean(1)
    found = left["value"].to_numpy()[draw.integers(0, len(left), (4000, len(left)))].mean(1)
    assert np.isclose(left["value"].mean(), under.mean() / unedited.mean())
    assert found.std() == pytest.approx(ratios.std(), rel=0.1)
    apart = (under / unedited.mean()).to_numpy()[places].mean(1)
    assert apart.std() > 1.3 * ratios.std(), "what was computed before"


def test_seeds_are_put_together_with_an_interval_of_their_mean():
    grids = [grid_of(f"aligned.s{seed}", [left, left, left], [1, 1, 1]) for seed, left in enumerate((0.0, 0.1, 0.2))]
    tables = Tables(grid_masks=pd.concat([one for one, _ in grids]), grid_values=pd.concat([two for _, two in grids]))
    table = compression_table(CONFIG, tables).set_index(["member", "seed"])
    mean = table.loc["aligned", "all"]
    assert np.isclose(mean["area"], 0.9) and np.isclose(mean["high"] - mean["area"], 4.303 * 0.1 / 3**0.5, rtol=1e-3)


def test_models_of_ones_own_whose_names_look_like_seeds_are_not_put_together():
    grids = [grid_of(name, [0, 0, 0], [1, 1, 1]) for name in ("mine.small", "mine.sft")]
    tables = Tables(grid_masks=pd.concat([one for one, _ in grids]), grid_values=pd.concat([two for _, two in grids]))
    table = compression_table(CONFIG, tables)
    assert list(table["member"]) == ["mine.small", "mine.sft"] and set(table["seed"]) == {""}


def test_an_aligned_model_is_compared_with_its_base():
    grids = [grid_of(MODEL, [0, 0, 0], [1, 1, 1]), grid_of(BASE, [1, 1, 0], [1, 1, 0])]
    tables = Tables(grid_masks=pd.concat([one for one, _ in grids]), grid_values=pd.concat([two for _, two in grids]))
    (subject,) = [one for one in subjects(CONFIG) if one.id == MODEL]
    ledger = evaluate_ledger(claims_of(CONFIG, subject), tables, seed=0, resampling=RESAMPLING).set_index("claim")
    assert ledger.loc["pruning.compression", "verdict"] == Verdict.SUPPORTED
    assert np.isclose(ledger.loc["pruning.compression", "estimate"], 1.0)
