"""What a run's screen asks: seconds for every job of every rule, without waiting for a model library."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anatomy.config.load import check_config
from anatomy.config.resources import Rule
from anatomy.machine.rate import Rate, Rates
from anatomy.pending.jobs import pending_jobs
from anatomy.planning.expectation import Expectation, expected_seconds, study_jobs
from anatomy.planning.sizes import organism_size
from anatomy.planning.speed import OTHER_SECONDS
from anatomy.planning.training_work import training_tokens

ROOT = Path(__file__).resolve().parents[2]
STUDY = {"organism": {"members": []}, "models": {"mine": {"hub": "org/mine-0.5b", "revision": "a" * 40}},
         "prompt_sets": {name: {"dataset": "advbench", "published": False} for name in
                         ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")},
         "extraction": {"contrasts": {"aligned": ["plain"]}}, "rosi": {"headline": ["mine"]},
         "selection": {"headline": ["mine"]}, "benchmarks": {"tasks": []},
         "model_judges": {"guard": {"kind": "llama_guard", "hub": "org/guard-8b", "revision": "b" * 40}}}


def rates(reading):
    """A machine that reads so many operations a second, and decodes as fast."""
    one = Rate(reading, 2 / reading, 2 / reading)
    return lambda _shape, _dtype, threads: Rates(one, one).times(threads)


def by_format(fast, slow):
    return lambda shape, dtype, threads: rates({"float32": fast, "bfloat16": slow}[dtype])(shape, dtype, threads)


@pytest.mark.parametrize("recipes", [["rosi"], ["pasta"], ["rosi", "pasta"]])
def test_every_rule_of_the_organism_has_seconds(recipes, tmp_path):
    config = check_config({"recipes": recipes, "results": str(tmp_path)}, "test")
    found = expected_seconds(config, rates=rates(1e11))
    assert all(seconds > 0 for seconds in found.values())
    assert set(study_jobs(config)) <= set(found)


@pytest.mark.workflow
def test_the_jobs_that_are_asked_about_are_those_that_a_run_has(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = {"recipes": ["rosi", "pasta"], "results": str(tmp_path / "results")}
    config = check_config(options, "test")
    pending = pending_jobs(ROOT / "Snakefile", options)
    asked = {(rule, tuple(sorted(wildcards.items()))) for rule, jobs in study_jobs(config).items() for wildcards in jobs}
    real = {(job.rule, tuple(sorted(job.wildcards.items()))) for job in pending}
    assert {one for one in asked if one[0] in ("extract", "localize", "measure", "evaluate", "organism_member")} <= real
    expectation = Expectation(config, rates=rates(1e11))
    assert all(expectation.seconds(job.rule, job.wildcards, job.threads) > 0 for job in pending)


def test_more_work_takes_longer_and_a_slow_format_shows(tmp_path):
    fast = check_config({**STUDY, "results": str(tmp_path)}, "test")
    slow = check_config({**STUDY, "results": str(tmp_path), "models": {"mine": {**STUDY["models"]["mine"],
                                                                                "dtype": "float32"}}}, "test")
    machine = by_format(1e9, 48e9)  # float32 is the slow one here
    found, other = (expected_seconds(config, rates=machine) for config in (fast, slow))
    for rule in ("extract", "localize", "evaluate", "measure"):
        assert other[rule] > 5 * found[rule]
    assert found["model_judge"] == other["model_judge"]  # the judge keeps its own format


def test_training_takes_the_faster_format_and_follows_its_steps():
    config = check_config({}, "test")
    steps = {member: training_tokens("default", member) for member in config.organism.members}
    assert steps["uncensored-2"] < steps["uncensored-1"] < steps["uncensored-3"]  # 24 steps, 10 more, 26 more
    assert steps["uncensored-3"] < steps["aligned"] == steps["weak"] < steps["base"]
    expectation = Expectation(config, rates=by_format(1e11, 2e9))
    spent = {member: expectation.seconds("organism_member", {"seed": "0", "member": member}) for member in steps}
    assert spent["uncensored-2"] < spent["uncensored-1"] < spent["uncensored-3"] < spent["aligned"] < spent["base"]
    parameters = organism_size("default").parameters
    difference = spent["base"] - spent["aligned"]
    assert difference == pytest.approx(3 * 2 * parameters * (steps["base"] - steps["aligned"]) / 1e11, rel=0.3)
    two = expectation.seconds("organism_member", {"seed": "0", "member": "base"}, threads=2)
    assert two < spent["base"]


def test_a_rule_that_nobody_knows_and_a_model_of_unknown_size_have_seconds(tmp_path):
    config = check_config({**STUDY, "models": {"mine": {"hub": "org/mine", "revision": "a" * 40}}, "results": str(tmp_path)}, "x")
    expectation = Expectation(config, rates=rates(1e11))
    assert expectation.seconds("no_such_rule", {}) == OTHER_SECONDS
    assert expectation.seconds("localize", {"model": "mine"}) > 0


def test_the_controllers_process_is_spared_the_model_libraries(tmp_path):
    """Own model in a folder with its tokenizer, organism beside it: neither torch nor transformers is imported here."""
    from tiny_model import make_tiny_model

    folder = make_tiny_model(tmp_path / "model")
    options = {**STUDY, "models": {"mine": {"folder": str(folder)}}, "model_judges": {}, "results": str(tmp_path / "results")}
    code = ("import json, sys\nfrom anatomy.config.load import check_config\nfrom anatomy.planning.expectation import *\n"
            "found = expected_seconds(check_config(json.load(sys.stdin), 'x'))\n"
            "print(json.dumps([found['localize'], *({'torch', 'transformers', 'vllm'} & set(sys.modules))]))")
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(options), capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")}, cwd=ROOT)
    seconds, *imported = json.loads(done.stdout.splitlines()[-1])
    assert seconds > 0 and imported == []


def test_every_submitted_rule_is_known():
    from typing import get_args

    from anatomy.planning.speed import START_SECONDS

    assert set(get_args(Rule)) - set(START_SECONDS) <= {"pairwise", "text_measures", "hooked_benchmarks", "export_pick"}
