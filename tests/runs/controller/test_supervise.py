"""Snakemake under supervision, on a workflow of two small rules."""

import json
import os
import subprocess
import sys

import pytest
from supervised import HEAD

SNAKEFILE = (
    HEAD
    + """
rule page:
    input: "results/part.txt"
    output: "results/report.html"
    log: "results/page.log"
    shell: "echo cannot draw > {log}; test ! -e broken && cat {input} > {output}"
rule part:
    output: "results/part.txt"
    shell: "echo $ANATOMY_RUN > {output}"
rule status:
    shell: "echo looked"
"""
)


@pytest.fixture
def call(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}

    def called(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--quiet", "rules"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    return called


def test_a_run_says_what_it_did_and_a_second_has_nothing_to_say(call, tmp_path):
    done = call()
    assert done.returncode == 0, done.stderr
    assert "finished: 2 jobs in" in done.stderr and "report:   results/report.html" in done.stderr
    record = json.loads((tmp_path / "results" / "controller" / "run.json").read_text())
    assert record["ended"] and record["executor"] == "local"
    assert (tmp_path / "results" / "part.txt").read_text().strip() == record["id"], "jobs carry the run's id"
    again = call()
    assert "Nothing to be done" in again.stderr and "finished" not in again.stderr


def test_a_failure_ends_with_rule_reason_and_command(call, tmp_path):
    (tmp_path / "broken").write_text("")
    done = call()
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()
    assert last[-1].startswith("when it is mended, go on with:") and "snakemake --cores 1" in last[-1]
    assert last[-4:-1] == ["rule page", "  log: results/page.log", "    | cannot draw"]
    (tmp_path / "broken").unlink()
    done = call()
    assert done.returncode == 0 and "finished: 1 jobs" in done.stderr


def test_whoever_only_looks_leaves_no_trace(call, tmp_path):
    assert "page" in call("--dry-run").stdout
    assert "looked" in call("status").stdout
    assert not (tmp_path / "results").exists()
