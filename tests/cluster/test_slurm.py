"""A real SLURM on this machine, its GPUs two device files: what reaches the scheduler, where jobs land, what failures cost.

At most six jobs; the small steps run beside Snakemake. Memory is counted there, not enforced.
"""

import json

import pandas as pd
import pytest
from slurm_cluster import SUBJECT, TARGETS

pytestmark = [pytest.mark.workflow, pytest.mark.engine]


def rules(jobs):
    return [job.rule for job in jobs]


def said(outcome, name):
    return json.loads((outcome.small / f"{name}.json").read_text())


def test_gpus_reach_the_job_that_asked_for_them(outcome):
    """By --gpus with a type, and by --gres; the job keeps what the scheduler gave, and takes no lock of its own."""
    by_gpus, by_gres = said(outcome, "by_gpus"), said(outcome, "by_gres")
    assert by_gpus["node"] == by_gres["node"] == "gpu01"
    assert len(by_gpus["visible"].split(",")) == 1 and sorted(by_gres["visible"].split(",")) == ["0", "1"]
    for found in (by_gpus, by_gres):
        assert found["granted"] == found["visible"].split(",")


def test_a_failed_job_asks_for_more(outcome):
    first, second = [job.fields for job in outcome.small_jobs if job.rule == "by_gres"]
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("300M", "600M")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:02:00", "00:04:00")
    assert (said(outcome, "by_gres")["attempt"], said(outcome, "by_gres")["mem_mb"]) == (2, 600)


def test_a_cancelled_job_is_submitted_again_with_more(outcome):
    first, second = [job.fields for job in outcome.jobs if job.rule == "extract"]
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("2500M", "3750M")


def test_the_same_command_ends_what_a_killed_controller_left_in_the_queue(outcome):
    assert rules(outcome.left) == ["screen"]
    for job in outcome.left:
        assert job.state == "CANCELLED"
        again = next(one for one in outcome.resumed if one.rule == job.rule)
        assert job.fields["EndTime"] <= again.fields["SubmitTime"], "nothing is submitted while it may still run"


def test_a_killed_controller_loses_only_what_ran(outcome):
    assert rules(outcome.resumed) == ["screen", "evaluate", "evaluate"]
    assert all(job.state == "COMPLETED" for job in outcome.resumed)


def test_jobs_of_models_run_where_the_profile_sends_them(outcome):
    """Packages for a CPU refuse a job with a GPU, so these also saw none."""
    assert {job.fields["NodeList"] for job in outcome.jobs if job.state == "COMPLETED"} == {"cpu01"}
    assert {job.fields["MinMemoryNode"] for job in outcome.resumed if job.rule == "evaluate"} == {"3500M"}


def test_the_tables_are_those_of_one_machine_and_one_bucket(outcome, finished):
    """fp32 on the same CPU build: completions are equal, though other variants shared their batches; scores to rounding."""
    parts = [pd.read_parquet(outcome.real / target) for target in TARGETS]
    assert all(len(part) for part in parts), "both buckets have variants"
    keys = ["variant", "set", "id", "sample"]
    there, here = (
        table.sort_values(keys, ignore_index=True) for table in (pd.concat(parts), pd.read_parquet(finished.folder / TARGETS[0]))
    )
    pd.testing.assert_frame_equal(there, here)
    screen = f"results/screen/{SUBJECT}/screen.parquet"
    pd.testing.assert_frame_equal(
        pd.read_parquet(outcome.real / screen), pd.read_parquet(finished.folder / screen), rtol=1e-5, atol=1e-6
    )
