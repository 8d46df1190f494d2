"""What a job leaves on record."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anatomy.errors import StoreError
from anatomy.runs.provenance.__main__ import run_of
from anatomy.runs.provenance.chain import chain, print_chain, raw_inputs
from anatomy.runs.provenance.record import JOBS, Clock, digests, processor_seconds, read_records, seeds, write_record
from anatomy.store.journal import record


def job(results, rule, inputs, outputs, **wildcards):
    for name in outputs:
        path = results.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rule)
    return write_record(
        results,
        rule,
        wildcards,
        inputs=inputs,
        outputs=outputs,
        parameters={"options": {"evaluation": {"seed": 5}}, "code": "0" * 16},
        threads=1,
        clock=Clock(),
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text("harmful,harmless\n")
    results = tmp_path / "results"
    job(results, "prompt_set", ["pairs.csv"], ["results/prompts.parquet"], set="mine")
    job(results, "extract", ["results/prompts.parquet"], ["results/directions.json"], model="weak.s0")
    job(results, "figures", ["results/directions.json", "results/prompts.parquet"], ["results/figures/a.csv"])
    job(results, "other", ["pairs.csv"], ["results/other.csv"])
    return results


def test_the_chain_runs_from_a_figure_to_the_raw_pairs_and_no_further(run):
    found = chain(run, "results/figures/a.csv")
    assert [record["rule"] for record in found] == ["figures", "extract", "prompt_set"]
    assert list(raw_inputs(found)) == ["pairs.csv"]
    assert len(raw_inputs(found)["pairs.csv"]) == 64


def test_a_file_without_a_record_is_refused_by_name(run):
    with pytest.raises(StoreError, match="no record of"):
        chain(run, "results/nothing.csv")


def test_a_record_says_what_it_was_made_with(run):
    one = next(record for record in read_records(run) if record["rule"] == "extract")
    assert one["wildcards"] == {"model": "weak.s0"} and one["seeds"] == {"options.evaluation.seed": 5}
    assert one["software"]["torch"][0].isdigit() and one["hardware"]["cores"] == os.cpu_count()
    assert set(one["cost"]) == {"started", "seconds", "cpu_seconds", "peak_mb", "rows", "tokens", "starts"}


def test_rows_and_tokens_of_this_job_alone_are_counted(tmp_path):
    clock = Clock()
    record(tmp_path, "rows", stage="generate", cell="c", rows=3, tokens=40)
    record(tmp_path, "start", stage="generate", seconds=1.0)
    found = clock.cost(tmp_path)
    assert (found["rows"], found["tokens"], found["starts"]) == (3, 40, 1)


def test_processor_time_is_that_of_this_job_and_its_children_alone(tmp_path):
    sum(range(10**6))
    clock = Clock()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    found = clock.cost(tmp_path)["cpu_seconds"]
    assert 0 < found <= processor_seconds()


def test_a_changed_input_changes_its_digest_and_a_large_file_is_told_by_size(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("one")
    before = digests([str(path), str(tmp_path / "gone")])
    path.write_text("two")
    assert digests([str(path)])[str(path)] != before[str(path)] and before[str(tmp_path / "gone")] == "no file"
    monkeypatch.setattr("anatomy.runs.provenance.record.LARGEST", 2)
    assert digests([str(path)])[str(path)] == "3 bytes"


def test_seeds_are_found_by_name():
    assert seeds({"a": {"seed": 1, "seeds": [2], "seed_text": 3}, "b": {"seed": None}}) == {"a.seed": 1, "a.seeds": [2]}


def test_the_chain_reads_well(run, capsys):
    print_chain(chain(run, "results/figures/a.csv"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("figures ") and "code 0000000000000000" in lines[0]
    assert any(line.strip().startswith("pairs.csv") for line in lines) and "3 jobs" in lines[-1]


def test_the_records_of_a_file_lie_in_the_nearest_folder_above_it(tmp_path, monkeypatch):
    for folder in ("results", "results/quick"):
        (tmp_path / folder / JOBS).mkdir(parents=True)
    assert run_of(tmp_path / "results/quick/figures/a.csv") == tmp_path / "results/quick"
    assert run_of(tmp_path / "results/pasta/figures/a.csv") == tmp_path / "results"
    assert run_of(Path("elsewhere/figures/a.csv")) == Path("elsewhere")
    (tmp_path / "results" / "quick" / "figures").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "results" / "quick" / "figures")
    assert run_of(Path("a.csv")) == tmp_path / "results" / "quick"
