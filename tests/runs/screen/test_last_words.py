"""What a run says at its end."""

import pandas as pd
import pytest

from anatomy.runs.screen.board import Board
from anatomy.runs.screen.last_words import command_of, failed_words, finished_words, last_lines
from anatomy.store.files import write_table


@pytest.fixture
def board():
    board = Board(None, lambda: 0.0)
    board.plan({"grow": 2, "page": 1})
    board.start(1, "grow", ["base"], ["grow.log"])
    return board


def test_a_finished_run_names_verdicts_and_report(board, tmp_path):
    board.finish(1)
    assert finished_words(board, tmp_path, {"starts": 1, "rows": 4}).splitlines() == [
        "finished: 1 jobs in 0 s; 1 engine and model starts, 4 rows computed"
    ]
    (tmp_path / "claims").mkdir()
    pd.DataFrame({"verdict": ["supported", "inconclusive", "supported"]}).to_parquet(tmp_path / "claims" / "ledger.parquet")
    (tmp_path / "report.html").write_text("")
    said = finished_words(board, tmp_path, {"starts": 1, "rows": 4})
    assert "verdicts: 2 supported, 1 inconclusive" in said and f"report:   {tmp_path / 'report.html'}" in said


def test_a_failed_run_names_rule_log_and_command(board, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grow.log").write_text("\n".join(f"line {n}" for n in range(40)) + "\n0%\r50%\r100%\n\n")
    board.fail(1)
    said = failed_words(board, "python3 envs/bootstrap.py snakemake --configfile 'my file.yaml'")
    assert "rule grow base" in said and "log: grow.log" in said
    assert "| line 39" in said and "| line 2\n" not in said and "| 100%" in said and "| 50%" not in said
    assert "1 failed, 2 not started" in said
    assert said.endswith("go on with: python3 envs/bootstrap.py snakemake --configfile 'my file.yaml'")


def test_a_log_that_is_missing_or_no_text_is_no_second_failure(tmp_path):
    assert last_lines(tmp_path / "none.log") == ["(no log was written)"]
    (tmp_path / "bytes.log").write_bytes(b"\xff\xfe\x00 end\n")
    assert last_lines(tmp_path / "bytes.log")[0].endswith("end")


def test_of_a_traceback_the_reason_is_shown(tmp_path):
    log = tmp_path / "job.log"
    log.write_text(
        'loading\nTraceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n'
        "anatomy.errors.StoreError: in results:\n  found:    no room\n  to do:    make room\n"
    )
    assert last_lines(log) == ["anatomy.errors.StoreError: in results:", "  found:    no room", "  to do:    make room"]


def test_the_command_is_what_was_typed(monkeypatch):
    monkeypatch.setenv("ANATOMY_SET", "cpu")
    given = ["/x/bin/snakemake", "rosi", "--config", "export={to: ../x}"]
    assert command_of(given) == "python3 envs/bootstrap.py snakemake rosi --config 'export={to: ../x}'"
    monkeypatch.delenv("ANATOMY_SET")
    assert command_of(["/x/snakemake/__main__.py"]) == "snakemake"


def test_every_recipe_that_has_a_report_is_told_with_its_own_verdicts(board, tmp_path):
    for folder, verdict in ((tmp_path, "supported"), (tmp_path / "pasta", "inconclusive")):
        write_table(folder / "claims" / "ledger.parquet", pd.DataFrame({"verdict": [verdict]}))
        (folder / "report.html").write_text("page")
    said = finished_words(board, tmp_path, {"starts": 0, "rows": 0}).splitlines()[1:]
    assert said == [
        "verdicts: 1 supported",
        f"report:   {tmp_path / 'report.html'}",
        "verdicts: 1 inconclusive",
        f"report:   {tmp_path / 'pasta' / 'report.html'}",
    ]
