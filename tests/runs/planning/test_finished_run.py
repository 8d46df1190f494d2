"""The plan of a study against what its finished jobs have on record: a random model of two blocks through the real Snakefile."""

import pytest
import yaml

from anatomy.recipes.configuration import check_config
from anatomy.runs.planning.jobs import Work
from anatomy.runs.provenance.record import read_records
from anatomy.sources.registry.catalogue import load_catalogue

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def records(own_run):
    return {
        (record["rule"], record["wildcards"].get("phase", "")): record
        for record in read_records(own_run / "results")
        if record["wildcards"].get("model") == "mine"
    }


@pytest.fixture
def work(own_run, tmp_path, monkeypatch):
    """As it was planned before anything had run."""
    monkeypatch.chdir(own_run)
    options = yaml.safe_load((own_run / "mine.yaml").read_text())
    config = check_config({**options, "results": str(tmp_path / "none")}, "test")
    return Work(config, load_catalogue(config.data.registry))


@pytest.mark.parametrize(("rule", "phase"), [("evaluate", "select"), ("evaluate", "test"), ("measure", "")])
def test_rows_and_tokens_are_within_what_was_planned(records, work, rule, phase):
    """Equal edits are computed once and answers end early, so fewer is right; less than a third would be no plan."""
    record = records[rule, phase]
    stages = work.of(rule, record["wildcards"])
    written, answers = sum(stage.written for stage in stages), sum(stage.answers for stage in stages)
    assert written / 3 <= record["cost"]["tokens"] <= written
    projections = answers if rule == "measure" else 0  # rows of no token, at most as many
    assert answers / 3 <= record["cost"]["rows"] <= answers + sum(stage.items for stage in stages) + projections


def test_every_job_has_processor_time_on_record(records):
    assert all(record["cost"]["cpu_seconds"] > 0 for record in records.values() if record["rule"] != "model_card")


def test_finished_jobs_correct_the_plan_without_error(own_run, work):
    from anatomy.config.resources import Resources
    from anatomy.models.machine.rate import Rate, Rates
    from anatomy.runs.planning.speed import Speed

    one = Rate(1e11, 1e-10, 2e-11)
    speed = Speed(Resources(), (), lambda *_: Rates(one, one))
    took = work.finished(read_records(own_run / "results"), speed)
    assert {"extract", "localize", "evaluate", "measure"} <= {one.rule for one in took}
    assert all(one.expected > 0 and one.seconds >= 0 for one in took)
