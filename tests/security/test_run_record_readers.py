"""Readers of what a run writes about itself, given any bytes: its hold, its jobs' reports, its provenance."""

import json

from fuzz import FUZZ, accepted, contents
from hypothesis import example, given

from anatomy.runs.controller.hold import RunRecord, read_record, record_path, write_record
from anatomy.runs.provenance.chain import chain, print_chain
from anatomy.runs.provenance.record import JOBS, read_records
from anatomy.runs.screen.reports import read_report

RECORD = {
    "rule": "figures",
    "wildcards": {"model": "m"},
    "outputs": {"a.csv": "0" * 64},
    "inputs": {"b.csv": "1" * 64},
    "parameters": {"code": "0" * 16},
    "seeds": {"s": 1},
    "software": {"torch": "2"},
    "hardware": {"cores": 2},
    "threads": 1,
    "cost": {"started": "", "seconds": 1.0, "peak_mb": 2.0, "rows": 0, "tokens": 0, "starts": 0},
}


def test_the_record_of_a_run_with_any_content_is_a_run_or_none(tmp_path):
    write_record(tmp_path, RunRecord("a1", "snakemake", "local", str(tmp_path), str(tmp_path)))
    good = record_path(tmp_path).read_bytes()

    @FUZZ
    @given(contents(good))
    @example(good.replace(b'"ended": false', b'"ended": 3'))
    @example(b'{"id": 1, "command": [], "executor": null, "workdir": 0, "results": 0, "started": 1e300}')
    def any_content(content):
        record_path(tmp_path).write_bytes(content)
        run = read_record(tmp_path)
        assert run is None or (run.describe() and run.pid > 0)

    any_content()


def test_a_job_s_report_of_any_content_is_a_report_or_none(tmp_path):
    good = b'{"doing": "steps trained: 3/9", "rate": 1.5, "fraction": 0.33, "left": 4.0, "whole": true}'

    @FUZZ
    @given(contents(good))
    @example(good.replace(b"0.33", b"NaN"))
    @example(good.replace(b"4.0", b"1e400"))
    @example(good.replace(b"1.5", b'"fast"'))
    def any_content(content):
        (tmp_path / "job.json").write_bytes(content)
        report = read_report(tmp_path / "job.json")
        assert report is None or (isinstance(report.doing, str) and (report.fraction is None or 0 <= report.fraction <= 1))

    any_content()


def test_records_of_provenance_with_any_content(tmp_path, capsys):
    path = tmp_path / JOBS / "figures.json"
    path.parent.mkdir(parents=True)
    good = json.dumps(RECORD).encode()

    def show(results):
        read_records(results)
        print_chain(chain(results, "a.csv"))

    @FUZZ
    @given(contents(good))
    @example(good)
    def any_content(content):
        path.write_bytes(content)
        accepted(show, tmp_path)

    any_content()
