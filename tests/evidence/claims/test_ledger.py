"""The ledger: every claim one row, whatever is missing."""

from dataclasses import replace

import pandas as pd
import pytest

from anatomy.errors import ConfigError
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.ledger import COLUMNS, evaluate_ledger
from anatomy.evidence.claims.measures import Refusals, paired_change
from anatomy.evidence.claims.tables import Tables, VariantSelector

HARMFUL = Refusals("harmful_requests", "rules", "test")


def raises_refusal(name: str, subject: str, family: str = "row_mean", **parameters) -> Claim:
    evidence = paired_change(HARMFUL, subject, VariantSelector("method", family), controls=True)
    test = Test("difference_above", evidence, {"threshold": 0} | parameters, "change of refusal")
    return Claim(name, "p", "It rises.", "here", "family", subject, (test,))


def test_one_row_a_claim_with_its_numbers(tables, resampling):
    claims = [raises_refusal("c", "weak", min_controls=19, control_level=0.05), raises_refusal("c", "base")]
    ledger = evaluate_ledger(claims, tables, seed=7, resampling=resampling)
    assert tuple(ledger.columns) == COLUMNS and list(ledger["subject"]) == ["weak", "base"]
    first = ledger.iloc[0]
    assert first["verdict"] == "supported" and first["seed"] == 7
    assert first["estimate"] == pytest.approx(0.4) and first["low"] > 0.3
    assert (first["n"], first["clusters"], first["controls"]) == (120, 60, 19)
    assert first["p_control"] == pytest.approx(0.05) and first["p"] < 1e-6
    assert ledger.iloc[1]["verdict"] == "inconclusive"


def test_nothing_at_all_is_not_testable_rather_than_a_crash(resampling):
    ledger = evaluate_ledger([raises_refusal("c", "weak")], Tables(), seed=0, resampling=resampling)
    assert (
        ledger.iloc[0]["verdict"] == "not testable here"
        and ledger.iloc[0]["reason"] == "this run has no answers of weak unedited"
    )


def test_missing_model_and_family_are_not_testable(tables, resampling):
    claims = [raises_refusal("c", "absent"), raises_refusal("c", "weak", family="absent")]
    ledger = evaluate_ledger(claims, tables, seed=0, resampling=resampling)
    assert (ledger["verdict"] == "not testable here").all()
    assert ledger["reason"].str.contains("absent").all()


def test_holm_takes_back_what_one_test_alone_would_give(tables, resampling):
    # 8 gained items of 120 and none lost: p = 2^-8 = .0039 alone, beyond .05 once 20 claims share the family
    judgements = tables.judgements
    weak = judgements[(judgements["model"] == "weak") & (judgements["set"] == "harmful_requests")]
    base = weak[weak["variant"] == "base"].assign(label="none", group=lambda rows: rows["id"])
    edited = base.assign(variant="row_mean~0000beef")
    few = base["id"].drop_duplicates().iloc[:8]
    edited.loc[edited["id"].isin(few), "label"] = "full"
    small = tables.but(judgements=pd.concat([base, edited]))
    test = Test("difference_above", paired_change(HARMFUL, "weak", VariantSelector("method", "row_mean")), {"threshold": 0}, "s")
    claims = [Claim(f"c{i}", "p", "It rises.", "here", "family", "weak", (test,)) for i in range(20)]
    alone = evaluate_ledger(claims[:1], small, seed=0, resampling=resampling)
    together = evaluate_ledger(claims, small, seed=0, resampling=resampling)
    assert alone.iloc[0]["p"] == pytest.approx(2.0**-8) and alone.iloc[0]["verdict"] == "supported"
    assert (together["verdict"] == "inconclusive").all() and together["reason"].str.contains("Holm").all()
    apart = [replace(claim, family=claim.id) for claim in claims]
    assert (evaluate_ledger(apart, small, seed=0, resampling=resampling)["verdict"] == "supported").all()


def test_the_same_seed_gives_the_same_ledger(tables, resampling):
    claims = [raises_refusal("c", "weak")]
    one, two = (evaluate_ledger(claims, tables, seed=0, resampling=resampling) for _ in range(2))
    assert one.equals(two)


def test_bad_claims_are_refused_before_any_work(tables, resampling):
    claim = raises_refusal("c", "weak")
    with pytest.raises(ConfigError, match="twice"):
        evaluate_ledger([claim, claim], tables, seed=0, resampling=resampling)
    wrong = replace(claim, tests=(replace(claim.tests[0], rule="guess"),))
    with pytest.raises(ConfigError, match="guess"):
        evaluate_ledger([wrong], tables, seed=0, resampling=resampling)
    with pytest.raises(ConfigError, match="no test"):
        evaluate_ledger([replace(claim, tests=())], tables, seed=0, resampling=resampling)
