"""The whole path on the quick configuration: what it leaves behind, and what changes cost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml
from quick_run import ROOT, SECRET, Run, environment

from anatomy.evidence.claims.claim import Verdict
from anatomy.store.files import read_json
from anatomy.store.journal import count

pytestmark = pytest.mark.workflow
TARGET = "results/evaluate/weak.s0/test.0.completions.parquet"


def cost(run: Run, *arguments: str, configs=()) -> tuple[int, int]:
    """Engine and model starts, and rows, that a call costs."""
    before = count(run.results / "store")
    run.call(*arguments, configs=configs)
    after = count(run.results / "store")
    return after["starts"] - before["starts"], after["rows"] - before["rows"]


def overlay(folder, **values):
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(values))
    return (path,)


@pytest.fixture
def copied(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def test_no_token_of_the_user_is_written_anywhere(finished):
    holding = [path for path in finished.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []


def test_it_ends_with_a_report_that_stands_alone(finished):
    page = (finished.results / "report.html").read_text()
    assert len(page) > 500_000
    assert "What changes" in page and "row_mean" in page
    assert 'src="http' not in page and 'href="http' not in page


def test_every_claim_has_a_verdict_and_its_reason(finished):
    ledger = pd.read_csv(finished.results / "claims" / "ledger.csv")
    assert set(ledger["verdict"]) <= {str(verdict) for verdict in Verdict}
    assert ledger["reason"].notna().all()
    assert {"rosi.harmful_refusal.row_mean", "direction.exists", "planted.dependence"} <= set(ledger["claim"])


def test_planted_truth_claims_fail_where_nothing_was_planted(finished):
    ledger = pd.read_csv(finished.results / "claims" / "ledger.csv")
    nothing = ledger[ledger["planted"] & ledger["subject"].str.match(r"base|placebo")]
    assert len(nothing) >= 4
    assert not (nothing["verdict"] == str(Verdict.SUPPORTED)).any()


def test_tables_hold_every_wanted_row_once(finished):
    table = pd.read_parquet(finished.results / "evaluate" / "weak.s0" / "test.0.completions.parquet")
    assert not table.duplicated(["variant", "set", "id", "sample"]).any()
    base = table[table["variant"] == "base"]
    assert base["set"].value_counts().to_dict() == dict.fromkeys(
        ["harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests"], 24
    )


def test_the_test_split_is_answered_by_picks_and_controls_only(finished):
    variants = pd.read_parquet(finished.results / "evaluate" / "weak.s0" / "test.0.variants.parquet")
    assert variants["family"].drop_duplicates().size == variants["variant"].size
    picks = read_json(finished.results / "edit" / "weak.s0" / "selected.json")
    controls = set(variants.loc[variants["role"] == "control", "family"])  # one whose search ended without a pick stands unedited
    assert set(variants["family"]) - {""} == {family for family, edit in picks.items() if edit is not None} | controls
    assert controls <= set(picks)


def test_nothing_changed_means_nothing_runs(finished):
    done = finished.call()
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_deleted_table_costs_no_row_and_no_start(copied):
    path = copied.folder / TARGET
    before = pd.read_parquet(path)
    path.unlink()
    assert cost(copied, TARGET) == (0, 0)
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


def test_a_new_prompt_costs_its_own_rows_and_one_start(copied, tmp_path):
    configs = overlay(tmp_path, evaluation={"test_prompts": 25})
    before = pd.read_parquet(copied.folder / TARGET)
    starts, rows = cost(copied, TARGET, configs=configs)
    after = pd.read_parquet(copied.folder / TARGET)
    added = len(after) - len(before)
    assert added == before.groupby(["variant", "set"]).ngroups
    assert starts == 1
    assert 0 < rows <= added, "variants that resolve to the same edit share their rows"


def test_a_new_task_costs_its_own_items(copied):
    """Taken away and asked for again, which is the same to the store."""
    path = copied.folder / TARGET.replace("completions", "samples")
    samples = pd.read_parquet(path)
    for cell in read_json(path.with_name("test.0.completions.cells.json")):
        folder = copied.results / "store" / cell
        if cell.startswith("benchmark/") and read_json(folder / "cell.json")["key"]["task"]["task"] == "organism_arc":
            shutil.rmtree(folder)
    path.unlink()
    arc = samples[samples["task"] == "organism_arc"]
    starts, rows = cost(copied, TARGET.replace("completions", "samples"))
    assert starts == 1 and 0 < rows <= len(arc)
    columns = [name for name in samples if name not in ("loglikelihoods",)]
    pd.testing.assert_frame_equal(pd.read_parquet(path)[columns], samples[columns])


def test_a_removed_control_costs_nothing(copied, tmp_path):
    configs = overlay(tmp_path, extraction={"controls": {"isotropic": 2, "covariance": 0, "shuffled": 2}})
    for stage in ("extract", "answers", "screen", "edit"):  # made under the old configuration; their content would be the same
        copied.call(
            *[
                f"results/{stage}/weak.s0/{name}"
                for name in {
                    "extract": ["card.json"],
                    "answers": ["refusal_tokens.json"],
                    "screen": ["shortlist.json"],
                    "edit": ["selected.json"],
                }[stage]
            ],
            "--touch",
            configs=configs,
        )
    assert cost(copied, TARGET, configs=configs) == (0, 0)


def other_code(finished: Run, folder, file: str, old: str, new: str) -> Run:
    """The same results seen by a copy of the code in which one text is replaced."""
    for name in ("Snakefile", "workflow", "config", "envs"):
        source = ROOT / name
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__")) if source.is_dir() else shutil.copy(
            source, folder / name
        )
    path = folder / "workflow" / "anatomy" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return Run(finished.folder, folder / "Snakefile")


def planned(run: Run) -> set[str]:
    """Rules that would run, from the table of jobs that a dry run ends with."""
    done = run.call("--dry-run")
    return set(re.findall(r"^(\w+) +\d+$", done.stdout + done.stderr, flags=re.M)) - {"total"}


def test_a_comment_reruns_nothing(finished, tmp_path):
    run = other_code(finished, tmp_path, "interventions/edits/rank_one.py", "def build_edit(", "# a comment\ndef build_edit(")
    assert planned(run) == set()


def test_a_changed_formula_reruns_exactly_what_used_it(finished, tmp_path):
    run = other_code(finished, tmp_path, "interventions/edits/rank_one.py", '"strength"] / 100', '"strength"] / 101')
    plan = planned(run)
    for rule in ("screen", "evaluate", "measure", "page"):
        assert rule in plan
    for rule in ("organism_member", "extract", "answers", "localize", "organism_bars"):
        assert rule not in plan


def test_a_killed_run_resumes_and_ends_with_the_same_table(copied):
    """After the same command alone: nobody unlocks anything."""
    path = copied.folder / TARGET
    before = pd.read_parquet(path)
    edits = pd.read_parquet(path.with_name("test.0.variants.parquet")).set_index("variant")["detail"]
    wanted = len(before.assign(edit=before["variant"].map(edits)).drop_duplicates(["edit", "prompt"]))
    path.unlink()
    for cell in read_json(path.with_suffix(".cells.json")):
        if cell.startswith("generate/"):
            for shard in (copied.results / "store" / cell).glob("*.parquet"):
                shard.unlink()
    start = count(copied.results / "store")["rows"]
    process = subprocess.Popen(
        copied.command(TARGET), env=environment(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while count(copied.results / "store")["rows"] == start and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = count(copied.results / "store")["rows"] - start
    assert 0 < kept < wanted
    assert cost(copied, TARGET) == (1, wanted - kept)
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


def test_status_names_what_is_missing(copied):
    for name in ("judge/weak.s0", "claims"):  # the ledger asks for the judgements again; alone they would not be missed
        shutil.rmtree(copied.results / name)
    (copied.results / "report.html").unlink()
    lines = copied.call("status").stdout.splitlines()
    assert [lines[lines.index(job) + 1].strip() for job in ("rosi_claims: 1", "judge: 2", "page: 1")] == [
        "not there yet",
        "not there yet  (2 jobs)",
        "not there yet",
    ]


def test_snakemakes_own_report_works(finished, tmp_path):
    finished.call("--report", str(tmp_path / "snakemake.zip"))
    assert (tmp_path / "snakemake.zip").stat().st_size > 100_000
