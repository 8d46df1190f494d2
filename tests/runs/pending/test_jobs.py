"""Snakemake's own plan as data."""

import os
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from anatomy.errors import ConfigError
from anatomy.runs.pending.jobs import pending_jobs

RULES = textwrap.dedent("""
    rule all:
        input: "b.txt"
    rule first:
        output: "a.txt"
        params: options={"extraction": {"prompts": config["prompts"]}}, code="0123456789abcdef"
        shell: "echo hello > {output}"
    rule second:
        input: "a.txt"
        output: "b.txt"
        shell: "cp {input} {output}"
    """)


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    import subprocess
    import sys

    (tmp_path / "Snakefile").write_text(RULES)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"prompts": 8}))
    monkeypatch.chdir(tmp_path)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            "--configfile",
            "config.yaml",
            "--workflow-profile",
            "none",
            "--quiet",
            "all",
        ],
        check=True,
    )
    return tmp_path


def pending(**config):
    return {job.rule: job for job in pending_jobs(Path("Snakefile"), config)}


def test_a_finished_run_has_nothing_to_do(workflow):
    assert pending(prompts=8) == {}


def test_an_option_is_told_with_both_values_and_what_follows_from_it(workflow):
    jobs = pending(prompts=16)
    assert jobs["first"].before == ({"extraction": {"prompts": 8}},)
    assert jobs["first"].now == ({"extraction": {"prompts": 16}},)
    assert jobs["second"].waiting_for == ("a.txt",) and not jobs["second"].before


def test_a_changed_input_and_a_missing_output_are_told(workflow):
    future = time.time() + 100
    (workflow / "a.txt").write_text("other")
    os.utime(workflow / "a.txt", (future, future))
    assert pending(prompts=8)["second"].newer_inputs == ("a.txt",)
    (workflow / "b.txt").unlink()
    assert pending(prompts=8)["second"].missing == ("b.txt",)


def test_nothing_is_run_or_locked(workflow):
    (workflow / "b.txt").unlink()
    pending(prompts=8)
    assert not (workflow / "b.txt").exists() and not list((workflow / ".snakemake" / "locks").iterdir())


def test_a_workflow_that_cannot_be_planned_says_why(workflow):
    (workflow / "Snakefile").write_text("rule broken:\n    output: nowhere\n")
    with pytest.raises(ConfigError, match="nowhere"):
        pending()
