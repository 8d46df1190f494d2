"""Claims about harm as a model judge scores it, on judgements in which the answer was planted."""

from pathlib import Path

import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.claims import claims_of
from anatomy.recipes.pruning.judged_claims import judged_table
from anatomy.recipes.pruning.recipe import evidence
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST
from anatomy.recipes.pruning.variants import FAMILY

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
    """Scores of one judge and labels of coherence, on two sets."""
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


def tables_of(before, after, coherent, mask=CHOSEN):
    table = pd.DataFrame([*judgements("base", before, 1.0), *judgements(FAMILY, after, coherent)])
    variants = {"model": "mine", "phase": "test", "variant": ["base", FAMILY], "role": ["base", "method"]}
    variants = pd.DataFrame({**variants, "family": ["", FAMILY], "form": ["", "mask"]})
    values = pd.DataFrame({"model": ["mine"], "mask": [mask]})
    return Tables(judgements=table, variants=variants, values=values)


def verdict(before, after, coherent=1.0, mask=CHOSEN, judges=JUDGE):
    config, subject = own_model(judges)
    claims = [claim for claim in claims_of(config, subject) if claim.id.startswith("pruning.judged")]
    ledger = evaluate_ledger(claims, tables_of(before, after, coherent, mask), seed=0, resampling=Resampling(0.95, 0, 300))
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


def test_verdicts_are_asked_for_and_tabled_with_coherence_beside_them():
    config, _ = own_model(JUDGE)
    assert [Path(file).name for file in evidence(config)["judgements"]] == ["test.parquet", "test.sr.parquet"]
    found = judged_table(config, tables_of(0.7, 0.1, 0.5)).set_index(["mask", "set", "judge"])["rate"]
    assert found["with its mask", "more", "coherence"] == 0.5 and found["unedited", "requests", "coherence"] == 1.0
    assert found["unedited", "more", "sr"] - found["with its mask", "more", "sr"] == pytest.approx(0.6)
    assert judged_table(own_model({})[0], tables_of(0.7, 0.1, 0.5)).empty


def test_the_nearest_mask_is_not_taken_for_a_chosen_one():
    row = verdict(0.7, 0.1, mask=NEAREST).loc["pruning.judged.sr"]
    assert row["verdict"] == Verdict.NOT_TESTABLE and "within pruning.limits" in row["reason"]


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
