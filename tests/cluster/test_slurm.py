"""A real SLURM on this machine, its GPUs two device files: what reaches the scheduler, where jobs land, what failures cost.

At most six jobs; the small steps run beside Snakemake. Memory is counted there, not enforced.
"""

import json

import pandas as pd
import pytest
from slurm_cluster import SUBJECT, TARGET

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


def test_a_job_without_gpus_goes_elsewhere_and_sees_none(outcome):
    assert said(outcome, "second_attempt")["node"] == "cpu01" and said(outcome, "second_attempt")["visible"] is None


def test_a_failed_job_asks_for_more(outcome):
    first, second = [job.fields for job in outcome.small_jobs if job.rule == "second_attempt"]
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("300M", "600M")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:02:00", "00:04:00")
    assert said(outcome, "second_attempt")["mem_mb"] == 600


def test_a_cancelled_job_is_submitted_again_with_more(outcome):
    first, second = [job.fields for job in outcome.jobs if job.rule == "extract"]
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("2500M", "3750M")


def test_a_killed_controller_loses_only_what_ran(outcome):
    assert rules(outcome.resumed) == ["localize", "evaluate"]
    assert all(job.state == "COMPLETED" for job in outcome.resumed)


def test_small_steps_are_not_submitted(outcome):
    assert set(rules(outcome.jobs)) == {"extract", "localize", "evaluate"}


def test_the_tables_are_those_of_a_run_without_a_cluster(outcome, finished):
    """fp32 on the same CPU build: completions are equal, scores to within the rounding of another batch order."""
    here, there = (pd.read_parquet(folder / TARGET) for folder in (finished.folder, outcome.real))
    pd.testing.assert_frame_equal(there, here)
    grid = f"results/localize/{SUBJECT}/grid.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(outcome.real / grid), pd.read_parquet(finished.folder / grid),
                                  rtol=1e-5, atol=1e-6)
