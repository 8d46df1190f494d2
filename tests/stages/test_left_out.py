"""Data that a run did without: their claims stand in the ledger, not testable here, with the reason."""

import pytest
from rosi_study import own_models, write_searches
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.tables import MissingEvidence
from anatomy.stages.claims import judge_claims
from anatomy.store.files import write_json

GATE = "data set wildjailbreak is not here (click-through access)"
NO_DATA = "no validation split under benchmarks/boolq"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """The ledger of a run without jailbreak requests and without BoolQ."""
    folder = tmp_path_factory.mktemp("run")
    made = make_tables(models=("base", "weak"), controls=3, items=24)
    files = write_searches(folder, ("base", "weak"))
    for part, whole in made.named.items():
        table = whole[whole["set"] != "jailbreak_requests"] if "set" in whole else whole
        files[part] = [folder / f"{part}.parquet"]
        table.to_parquet(files[part][0], index=False)
    tasks = [{"task": name, "metric": metric, "chance": 0.25} for name, (metric, _) in TASKS.items()]
    files["tasks"] = []
    for model in ("base", "weak"):
        files["tasks"].append(folder / model / "test.0.tasks.json")
        write_json(files["tasks"][-1], tasks)
    config = own_models()
    config = config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"left_out": {"jailbreak_requests": GATE}}),
            "benchmarks": config.benchmarks.model_copy(update={"left_out": {"boolq": NO_DATA}}),
        }
    )
    return judge_claims("anatomy.recipes.rosi.report", config, files).set_index(["claim", "subject"])


@pytest.mark.parametrize(("claim", "reason"), [("rosi.jailbreak.row_mean", GATE), ("rosi.utility.boolq.row_mean", NO_DATA)])
def test_what_was_left_out_is_not_testable_here_and_says_why(ledger, claim, reason):
    row = ledger.loc[(claim, "weak")]
    assert row["verdict"] == str(Verdict.NOT_TESTABLE) and reason in row["reason"]


def test_everything_else_is_tested_as_before(ledger):
    for claim in ("rosi.harmful_refusal.row_mean", "rosi.utility.mmlu.row_mean", "rosi.lookalike_kept.row_mean"):
        assert ledger.loc[(claim, "weak"), "verdict"] != str(Verdict.NOT_TESTABLE)
    told = ledger[ledger["reason"].str.contains("wildjailbreak")].index.get_level_values("claim")
    assert len(told) and all("jailbreak" in claim for claim in told)


def test_rows_that_are_there_are_given_whatever_was_said():
    tables = make_tables(models=("base",), controls=0, items=4).without("set", {"harmful_requests": "reason"})
    assert len(tables.rows("judgements", model="base", set="harmful_requests"))
    with pytest.raises(MissingEvidence) as caught:
        tables.rows("judgements", model="base", set="other")
    assert "reason" not in caught.value.found
