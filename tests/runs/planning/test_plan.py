"""Plans of whole runs through Snakemake's own DAG: the paper configurations, and more models and buckets than any of them."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from anatomy.recipes.configuration import check_config
from anatomy.recipes.registry import built_in
from anatomy.runs.pending.jobs import pending_jobs
from anatomy.runs.planning.plan import plan_run
from anatomy.runs.planning.plan_text import plan_lines

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[3]
PAPERS = sorted((ROOT / "config" / "paper").glob("*.yaml"))
REAL = sorted((ROOT / "config" / "real").glob("*.yaml"))


def planned(options, tmp_path, monkeypatch):
    """The pending jobs and the plan of a configuration, with results in a folder of their own."""
    monkeypatch.chdir(ROOT)
    options = {**options, "results": str(tmp_path / "results")}
    pending = pending_jobs(ROOT / "Snakefile", options)
    return check_config(options, "test"), pending, plan_run(options, pending, [], on_gpu=False)


@pytest.mark.parametrize("paper", [*PAPERS, *REAL], ids=lambda path: path.stem)
def test_every_paper_and_study_is_planned_with_its_edits_as_deltas(paper, tmp_path, monkeypatch):
    config, pending, plan = planned(yaml.safe_load(paper.read_text(encoding="utf-8")), tmp_path, monkeypatch)
    jobs, models = Counter(job.rule for job in pending), len(config.models)
    if "rosi" in config.recipes:
        assert jobs["extract"] == jobs["localize"] == jobs["screen"] == jobs["measure"] == jobs["model_card"] == models
        assert jobs["evaluate"] == models * 2 * config.serving.buckets
        assert jobs["model_judge"] == models * 2 * len(config.model_judges)
    assert plan.disk.kept < 0.01 * plan.disk.checkpoints or plan.disk.edits == 0
    if plan.disk.edits:
        assert plan.disk.results < 0.05 * plan.disk.checkpoints
    told = "\n".join(plan_lines(plan))
    assert f"{len(plan.jobs)} jobs to run" in told and "GPU hours" in told and "memory of the largest job" in told


def test_the_template_for_one_gpu_fits_one(tmp_path, monkeypatch):
    (template,) = [path for path in REAL if path.stem == "template-8b"]
    config, _, plan = planned(yaml.safe_load(template.read_text(encoding="utf-8")), tmp_path, monkeypatch)
    assert {model.dtype for model in config.models.values()} == {"bfloat16"}
    assert max(job.mem_mb for job in plan.jobs) < 0.9 * 1024 * config.resources.gpu_memory_gib
    assert sum(job.gpu_seconds for job in plan.jobs) > 0


TOY = ROOT / "tests" / "toy_paper" / "toy"


ALL_BUT_ONE = [pytest.param(papers, marks=pytest.mark.long) for papers in combinations(built_in(), len(built_in()) - 1)]


@pytest.mark.parametrize("papers", [*ALL_BUT_ONE, built_in()], ids="-".join)
def test_all_papers_are_planned_and_all_but_any_one(papers, tmp_path, monkeypatch):
    """A file that one paper reads of another has to be one that the other makes."""
    _, pending, _ = planned({"organism": {"recipe": "quick"}, "seeds": [3], "recipes": list(papers)}, tmp_path, monkeypatch)
    assert {f"{paper}_claims" for paper in papers} <= {job.rule for job in pending}


@pytest.mark.parametrize("recipes", [["pasta"], [str(TOY)], ["pasta", str(TOY)], ["rosi", str(TOY), "pasta"]])
def test_any_list_of_papers_is_planned(recipes, tmp_path, monkeypatch):
    options = {
        "organism": {"recipe": "quick", "members": ["base", "aligned", "weak"]},
        "selection": {"headline": ["aligned"]},
        "rosi": {"headline": ["aligned"]},
        "recipes": recipes,
    }
    _, pending, plan = planned(options, tmp_path, monkeypatch)
    rules = {job.rule for job in pending}
    assert ("measure" in rules) == ("rosi" in recipes) and ("signature" in rules) == ("pasta" in recipes)
    assert ("toy_make_edit" in rules) == (str(TOY) in recipes)
    assert all(job.seconds is not None and job.least <= job.seconds for job in plan.jobs)
    assert f"{len(plan.jobs)} jobs to run" in "\n".join(plan_lines(plan))


@pytest.mark.parametrize(("recipes", "passes"), [(["rosi"], {"test", "measure"}), (["pasta"], set())])
def test_model_judges_judge_the_passes_that_papers_of_the_run_make(recipes, passes, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = {
        "organism": {"members": []},
        "recipes": recipes,
        "models": {"mine": {"hub": "org/mine", "revision": "a" * 40}},
        "prompt_sets": {
            name: {"dataset": "advbench", "published": False}
            for name in ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
        },
        "model_judges": {"guard": {"kind": "llama_guard", "hub": "org/guard", "revision": "b" * 40}},
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "rosi": {"headline": []},
        "selection": {"headline": []},
        "benchmarks": {"tasks": []},
        "results": str(tmp_path / "results"),
    }
    pending = pending_jobs(ROOT / "Snakefile", options, ["stage_judge"])
    assert {job.wildcards["pass_"] for job in pending if job.rule == "model_judge"} == passes


def test_twenty_models_in_eight_buckets(tmp_path, monkeypatch):
    models = {f"model-{n}-7b": {"hub": f"org/model-{n}-7b", "revision": f"{n:040x}"} for n in range(20)}
    sets = {
        name: {"dataset": "advbench", "published": False}
        for name in ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
    }
    options = {
        "organism": {"members": []},
        "models": models,
        "prompt_sets": sets,
        "serving": {"buckets": 8},
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "rosi": {"headline": ["model-0-7b"]},
        "selection": {"headline": []},
        "benchmarks": {"data": "data"},
    }
    _, pending, plan = planned(options, tmp_path, monkeypatch)
    jobs = Counter(job.rule for job in pending)
    assert jobs["evaluate"] == 20 * 2 * 8 and jobs["extract"] == 20
    evaluated = [job for job in plan.jobs if job.rule == "evaluate" and job.model == "model-0-7b"]
    whole = plan_run({**options, "results": str(tmp_path), "serving": {"buckets": 1}}, pending[:0], [], on_gpu=False)
    assert not whole.jobs and list(plan_lines(whole)) == ["Nothing to do: everything asked for is there and up to date."]
    assert len(evaluated) == 16 and len({job.seconds for job in evaluated}) == 2  # one share for each phase


def test_a_model_that_nothing_is_known_of_waits_for_prefetch(tmp_path, monkeypatch):
    options = {
        "organism": {"members": []},
        "models": {"mine": {"hub": "org/mine", "revision": "a" * 40}},
        "prompt_sets": {
            name: {"dataset": "advbench", "published": False}
            for name in ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
        },
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "rosi": {"headline": []},
        "selection": {"headline": []},
        "benchmarks": {"data": "data"},
    }
    _, _, plan = planned(options, tmp_path, monkeypatch)
    told = "\n".join(plan_lines(plan))
    assert "mine (size unknown until prefetch)" in told and "at least" in told and plan.disk.unknown == ("mine",)
    _, _, plan = planned({**options, "resources": {"models": {"mine": {"billions": 7}}}}, tmp_path, monkeypatch)
    told = "\n".join(plan_lines(plan))
    assert "mine (7.0 billion)" in told and not plan.disk.unknown
    assert "hours if no search finds anything" in told and "measured just now" in told
    localized = [job for job in plan.jobs if job.rule == "localize"]
    assert all(0 < job.least < job.seconds and sum(job.by_stage) < job.seconds for job in localized)
