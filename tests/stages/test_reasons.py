"""What a search did not find is said in sentences where its claims stand, and is never a verdict."""

import pytest
from rosi_study import LOST, own_models, write_searches
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.claim import Verdict
from anatomy.stages.claims import judge_claims
from anatomy.store.files import write_json

FORMS = ("ablate", "clamp", "add", "orthogonalize")
DIRECTION = [f"direction.{name}" for name in ("needed", "enough", "separates", "not_random")]


@pytest.fixture
def judged(tmp_path):
    """The ledger of a run in which the searches of the model ``weak`` ended in some way."""

    def judge(outcome, refusals=9, picked=True):
        made = make_tables(models=("base", "weak"), controls=3, items=24)
        variants, grid = made.variants, made.grid.copy()
        lost = variants["form"].isin(FORMS) & (outcome not in ("picked",))
        if not picked:
            lost |= variants["role"].eq("method") & variants["model"].eq("weak")
        if outcome == "no refusal tokens":
            grid = grid.assign(bypass=float("nan"), induce=float("nan"), kl=float("nan"), kept=False, reason=outcome)
        elif outcome == "nearest":
            grid = grid.assign(kept=False, reason="induce < 0")
        tables = made.but(variants=variants[~lost], grid=grid)
        files = write_searches(tmp_path, ("base", "weak"), outcome, refusals, picked)
        for part, table in tables.named.items():
            files[part] = [tmp_path / f"{part}.parquet"]
            table.to_parquet(files[part][0], index=False)
        files["tasks"] = [tmp_path / "weak" / "test.0.tasks.json"]
        write_json(files["tasks"][0], [{"task": name, "metric": metric, "chance": 0.25} for name, (metric, _) in TASKS.items()])
        ledger = judge_claims("anatomy.recipes.rosi.report", own_models(), files)
        return ledger[ledger["subject"] == "weak"].set_index("claim")

    return judge


def test_a_model_that_never_refuses_has_nothing_to_test_and_says_so(judged):
    ledger = judged("no refusal tokens", refusals=0, picked=False)
    told = ledger.loc[["direction.exists", *DIRECTION]]
    assert (told["verdict"] == str(Verdict.NOT_TESTABLE)).all()
    assert told["reason"].str.contains("weak refused 0 of 144 requests, so there is no refusal to find a direction for").all()
    edits = ledger[ledger.index.str.startswith("rosi.")]
    assert (edits["verdict"] == str(Verdict.NOT_TESTABLE)).all() and edits["reason"].str.contains("refused 0 of 144").all()


def test_where_no_direction_passes_the_rule_that_is_the_verdict_and_what_rests_on_it_is_not_testable(judged):
    ledger = judged("nearest")
    assert ledger.loc["direction.exists", "verdict"] == str(Verdict.NOT_SUPPORTED)
    assert (ledger.loc[DIRECTION, "verdict"] == str(Verdict.NOT_TESTABLE)).all()
    assert ledger.loc[DIRECTION, "reason"].str.contains("no direction of weak passes the published rule").all()
    assert "direction.nearest.needed" in ledger.index


def test_a_search_without_a_pick_says_what_each_candidate_cost(judged):
    ledger = judged("picked", picked=False)
    row = ledger.loc["rosi.harmful_refusal.row_mean"]
    assert row["verdict"] == str(Verdict.NOT_TESTABLE) and LOST in row["reason"] and "no pick" in row["reason"]


def test_no_reason_speaks_of_tables_and_columns(judged):
    for outcome in ("picked", "nearest", "no refusal tokens"):
        untested = judged(outcome, refusals=9 if outcome != "no refusal tokens" else 0, picked=outcome == "picked")
        reasons = untested.loc[untested["verdict"] == str(Verdict.NOT_TESTABLE), "reason"]
        assert not reasons.str.contains(r"\btable \w+|expected rows|role |NaN|not finite", regex=True).any(), list(reasons)
