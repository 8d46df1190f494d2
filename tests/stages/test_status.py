"""The state of a run in words."""

import os
import textwrap
import time

import pytest

from anatomy.stages import status

RULES = textwrap.dedent("""
    rule all:
        input: "b.txt"
    rule first:
        output: "a.txt"
        shell: "echo {config[word]} > {output}"
    rule second:
        input: "a.txt"
        output: "b.txt"
        shell: "cp {input} {output}"
    """)


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    (tmp_path / "Snakefile").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_plan_is_that_of_snakemake(workflow):
    (workflow / "b.txt").write_text("old")
    past = time.time() - 100
    os.utime(workflow / "b.txt", (past, past))
    (workflow / "a.txt").write_text("new")
    rows = {row["rule"]: row for row in status.plan(str(workflow / "Snakefile"), {"word": "hello"})}
    assert rows["first"]["plan"] == "no update"
    assert rows["second"]["output_file"] == "b.txt" and rows["second"]["plan"] != "no update"


def test_a_workflow_that_cannot_be_read_says_why(workflow):
    (workflow / "Snakefile").write_text("rule broken:\n    output: nowhere\n")
    with pytest.raises(SystemExit, match="nowhere"):
        status.plan(str(workflow / "Snakefile"), {})


def test_done_missing_and_stale_are_counted_by_rule_with_reasons(monkeypatch, capsys):
    rows = [("a.parquet", "extract", "ok", "no update"), ("b.parquet", "extract", "missing", "update pending"),
            ("c.parquet", "judge", "updated input files", "update pending"), ("d.parquet", "judge", "ok", "no update")]
    monkeypatch.setattr(status, "plan", lambda *_: [dict(zip(("output_file", "rule", "status", "plan"), row, strict=True))
                                                    for row in rows])
    status.print_status("Snakefile", {})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["rule", "done", "missing", "stale", "why"]
    assert lines[1] == ["extract", "1", "1", "0"]
    assert lines[2][:4] == ["judge", "1", "0", "1"] and "updated input files" in " ".join(lines[2])
    assert lines[3][0] == "c.parquet:"
