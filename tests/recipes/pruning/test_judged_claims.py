"""Claims about harm as a model judge scores it, on judgements in which the answer was planted."""

from pathlib import Path

import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.costs.lengths import Lengths
from anatomy.costs.prompts import PromptCounts
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.claims import claims_of
from anatomy.recipes.pruning.judged_claims import judged_table
from anatomy.recipes.pruning.recipe import evidence
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST
from anatomy.recipes.pruning.variants import FAMILY, found, on_test
from anatomy.recipes.pruning.work import stage_work

JUDGE = {"sr": {"kind": "strongreject", "folder": "judges/sr"}}
PROMPTS = 40


def own_model(judges):
    """A configuration of one model of one's own, and the model."""
    sets = {name: {"file": f"{name}.csv"} for name in ("requests", "more", "harmless")}
    given = {"recipes": ["pruning"], "organism": {"members": []}, "models": {"mine": {"folder": "models/mine"}}}
    given |= {
        "prompt_sets": sets,
        "model_judges": judges,
        "extraction": {"harmful": "requests", "harmless": "harmless", "contrasts": {"aligned": ["plain"]}},
    }
    given["evaluation"] = {"harmful": "requests", "benign": "harmless", "jailbreaks": ["more"], "lookalikes": []}
    given |= {"selection": {"headline": []}, "rosi": {"headline": []}, "benchmarks": {"tasks": []}}
    given["pruning"] = {"models": ["mine"], "sets": {"generation": "requests", "benign": "harmless"}, "scored": None}
    config = check_config(given, "-")
    (subject,) = subjects(config)
    return config, subject


def judgements(variant, score, coherent):
    """Scores of one judge and labels of coherence, on two sets; a prompt's own part of the score is the same under all masks."""
    rows = []
    for name in ("requests", "more"):
        for k in range(PROMPTS):
            row = {
                "model": "mine",
                "variant": variant,
                "phase": "test",
                "set": name,
                "id": str(k),
                "sample": 0,
                "group": f"{name}{k}",
            }
            row |= {"parse_failure": False, "raw": ""}
            rows.append({**row, "judge": "sr", "label": "safe", "score": score + 0.01 * (k % 3)})
            rows.append({**row, "judge": "coherence", "label": "ok" if k < PROMPTS * coherent else "degenerate", "score": 1.0})
    return rows


def tables_of(before, after, coherent, mask=CHOSEN, drawn=None):
    """``drawn``: scores under random masks; as before each where None."""
    drawn = [before] * 3 if drawn is None else drawn
    table = [*judgements("base", before, 1.0), *judgements(FAMILY, after, coherent)]
    table += [row for draw, score in enumerate(drawn, 1) for row in judgements(f"random-{draw}~0", score, 1.0)]
    rows = [("base", "base", "", "", -1), (FAMILY, "method", FAMILY, "mask", -1)]
    rows += [(f"random-{draw}~0", "control", FAMILY, "mask", draw) for draw in range(1, len(drawn) + 1)]
    variants = pd.DataFrame(rows, columns=["variant", "role", "family", "form", "control_seed"])
    variants, table = variants.assign(model="mine", phase="test"), pd.DataFrame(table)
    values = pd.DataFrame({"model": ["mine"], "mask": [mask]})
    return Tables(judgements=table, variants=variants, values=values)


def verdict(before, after, coherent=1.0, mask=CHOSEN, judges=JUDGE, drawn=None):
    config, subject = own_model(judges)
    claims = [claim for claim in claims_of(config, subject) if claim.id.startswith("pruning.judged")]
    tables = tables_of(before, after, coherent, mask, drawn)
    ledger = evaluate_ledger(claims, tables, seed=0, resampling=Resampling(0.95, 0, 300))
    return ledger.set_index("claim")


@pytest.mark.parametrize(
    ("before", "after", "coherent", "expected"),
    [
        (0.7, 0.1, 1.0, Verdict.SUPPORTED),
        (0.7, 0.8, 1.0, Verdict.NOT_SUPPORTED),
        (0.7, 0.0, 0.5, Verdict.NOT_SUPPORTED),
        (0.05, 0.0, 1.0, Verdict.NOT_TESTABLE),
    ],
)
def test_harm_that_falls_counts_where_answers_are_still_text_and_there_was_some(before, after, coherent, expected):
    row = verdict(before, after, coherent).loc["pruning.judged.sr"]
    assert row["verdict"] == expected
    assert row["estimate"] == pytest.approx(after - before) and row["n"] == 2 * PROMPTS


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([0.7], Verdict.SUPPORTED),
        ([0.68, 0.7, 0.71], Verdict.SUPPORTED),
        ([0.1, 0.1, 0.1], Verdict.INCONCLUSIVE),
        ([0.01, 0.0, 0.005], Verdict.NOT_SUPPORTED),
        ([0.05, 0.7, 0.4], Verdict.INCONCLUSIVE),
        ([], Verdict.NOT_TESTABLE),
    ],
)
def test_a_fall_that_random_masks_of_the_size_have_too_is_none_of_the_masks(drawn, expected):
    row = verdict(0.7, 0.1, drawn=drawn).loc["pruning.judged.sr"]
    assert row["verdict"] == expected
    if drawn:
        assert (row["controls"], row["control_low"]) == (len(drawn), pytest.approx(min(drawn) - 0.7))
    else:
        assert "no random mask" in row["reason"]


def test_random_masks_are_asked_the_judged_sets_where_a_judge_of_harm_reads_models_of_ones_own():
    config, subject = own_model(JUDGE)
    base, mask, *drawn = on_test(config, subject)
    assert (
        (base.role, mask.role) == ("base", "method") and mask.benchmarked and set(mask.sets) == {"requests", "more", "harmless"}
    )
    assert len(drawn) == config.pruning.control_draws and len({one.id for one in drawn}) == len(drawn)
    for draw, one in enumerate(drawn, 1):
        assert (one.role, one.sets, one.benchmarked, one.control_seed) == ("control", ("requests", "more"), False, draw)
        assert (one.family, one.form) == (mask.family, mask.form)
    names = [Path(file).name for file in found(config, subject, "test")]
    assert names == ["pruning.mask.json", *(f"pruning.random-{draw}.json" for draw in (1, 2, 3))]
    for others in ({}, {"guard": {"kind": "rubric", "folder": "judges/any"}}):
        config, subject = own_model(others)
        assert len(on_test(config, subject)) == 2 and len(found(config, subject, "test")) == 1
    config = check_config({"recipes": ["pruning"], "model_judges": JUDGE}, "-")
    member = next(one for one in subjects(config) if one.member == "aligned")
    assert len(on_test(config, member)) == 2, "no model judges the organism"


def test_the_plan_counts_answers_under_random_masks():
    counted = {}
    for name, judges in (("without", {}), ("with", JUDGE)):
        config, subject = own_model(judges)
        counts = {"fit": 10, "select": 10, "test": 10}
        prompts = PromptCounts(dict.fromkeys(("requests", "more", "harmless"), counts), Lengths(20.0, 0.0, 20.0, 1))
        counted[name] = stage_work(config, subject, prompts, num_layers=2, entries={})
    assert counted["with"]["test"].answers - counted["without"]["test"].answers == 3 * 20
    assert counted["with"]["test"].items == counted["without"]["test"].items, "benchmarks are not asked of them"
    assert counted["with"]["divergence"].predictions > counted["without"]["divergence"].predictions


def test_verdicts_are_asked_for_and_tabled_with_coherence_beside_them():
    config, _ = own_model(JUDGE)
    assert [Path(file).name for file in evidence(config)["judgements"]] == ["test.parquet", "test.sr.parquet"]
    found = judged_table(config, tables_of(0.7, 0.1, 0.5)).set_index(["mask", "set", "judge"])["rate"]
    assert found["with its mask", "more", "coherence"] == 0.5 and found["unedited", "requests", "coherence"] == 1.0
    assert found["unedited", "more", "sr"] - found["with its mask", "more", "sr"] == pytest.approx(0.6)
    assert found["random-3", "more", "sr"] == found["unedited", "more", "sr"] and found["random-1", "more", "coherence"] == 1.0
    assert judged_table(own_model({})[0], tables_of(0.7, 0.1, 0.5)).empty


def test_the_nearest_mask_is_not_taken_for_a_chosen_one():
    row = verdict(0.7, 0.1, mask=NEAREST).loc["pruning.judged.sr"]
    assert row["verdict"] == Verdict.NOT_TESTABLE and "within pruning.limits" in row["reason"]


def test_a_chosen_mask_that_is_not_kept_is_not_judged_and_its_controls_are_in_no_table():
    whole = tables_of(0.7, 0.1, 1.0)
    tables = whole.but(variants=whole.variants[whole.variants["role"] != "method"])
    config, subject = own_model(JUDGE)
    claims = [claim for claim in claims_of(config, subject) if claim.id.startswith("pruning.judged")]
    row = evaluate_ledger(claims, tables, seed=0, resampling=Resampling(0.95, 0, 10)).iloc[0]
    assert row["verdict"] == Verdict.NOT_TESTABLE and "it is not kept" in row["reason"]
    assert set(judged_table(config, tables)["mask"]) == {"unedited"}


def test_without_a_judge_of_harm_the_claim_says_why_it_is_not_testable():
    other = {"guard": {"kind": "rubric", "folder": "judges/any"}}
    for judges in ({}, other):
        row = verdict(0.7, 0.1, judges=judges).loc["pruning.judged"]
        assert row["verdict"] == Verdict.NOT_TESTABLE and "strongreject or harmbench" in row["reason"]
    config = check_config({"recipes": ["pruning"]}, "-")
    member = next(one for one in subjects(config) if one.member == "aligned")
    claims = [claim for claim in claims_of(config, member) if claim.id == "pruning.judged"]
    row = evaluate_ledger(claims, Tables(), seed=0, resampling=Resampling(0.95, 0, 10)).iloc[0]
    assert row["verdict"] == Verdict.NOT_TESTABLE and "models of your own" in row["reason"]
