"""Hours of a study whatever papers it is for."""

import pytest
from pasta_study import pair, pasta_config
from published_sizes import SMOL_135M
from small_study import make_config, make_subject

from anatomy.config.resources import Resources
from anatomy.costs.lengths import ASSUMED
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import StageWork
from anatomy.recipes.registry import chosen
from anatomy.runs.planning.hours import beside, study_hours, study_jobs
from anatomy.runs.planning.jobs import with_more
from anatomy.runs.planning.speed import Speed

RESOURCES = Resources(core_gigaflops=50.0)
PROMPTS = PromptCounts({}, ASSUMED)


def study(recipes, tmp_path):
    """A configuration for some papers with a model that they study, and the stages that they count."""
    if "pasta" in recipes:
        config = pasta_config(tmp_path, {"plain": tmp_path / "plain", "tuned": tmp_path / "tuned"})
        config, subject = config.model_copy(update={"recipes": recipes}), pair(config)["aligned"]
    else:
        config, subject = make_config(tmp_path).model_copy(update={"recipes": recipes}), make_subject()
    work = {}
    for paper in chosen(config.recipes):
        work = with_more(work, paper.work(config, subject, PROMPTS, num_layers=30, entries={}))
    return config, subject, work


@pytest.mark.parametrize("recipes", [["rosi"], ["pasta"], ["rosi", "pasta"], ["pasta", "rosi"]])
def test_every_stage_of_every_paper_has_one_job_and_seconds(recipes, tmp_path):
    config, subject, work = study(recipes, tmp_path)
    jobs = study_jobs(chosen(recipes), work)
    computed = [stage for job in jobs for stage in job.stages]
    assert sorted(computed) == sorted(work) and all(job.kind is not None for job in jobs)
    hours = study_hours(config, subject, SMOL_135M, work, Speed(RESOURCES), on_gpu=False)
    assert set(hours.stages) == set(work) and hours.starts > 0
    assert all(hours.stages[name] > 0 for name, stage in work.items() if stage.read + stage.written)


def test_rosis_jobs_and_what_runs_beside_them(tmp_path):
    _, _, work = study(["rosi"], tmp_path)
    jobs = study_jobs(chosen(["rosi"]), work)
    assert {"select", "test"} <= {job.stages[0] for job in jobs if job.rule == "evaluate"}
    rules = [rule for rule, _ in beside(chosen(["rosi"]), jobs)]
    assert rules.count("judge") == 3 and rules[-3:] == ["claims", "figures", "page"] and "pick" in rules


def test_two_papers_ask_for_more_than_either(tmp_path):
    one, both = (study(recipes, tmp_path / "-".join(recipes))[2] for recipes in (["pasta"], ["pasta", "rosi"]))
    assert set(one) < set(both) and all(both[name].read >= one[name].read for name in one)


def test_a_stage_that_no_rule_is_known_for_is_a_job_of_its_own():
    work = {"theirs": StageWork("theirs", "something", 10, 0)}
    (job,) = study_jobs([], work)
    assert (job.rule, job.stages, job.kind) == ("theirs", ("theirs",), None)
