"""What `snakemake pasta` plans: a dry run, which reads no model."""

import re

import pytest
from quick_run import Run


@pytest.fixture
def run(tmp_path):
    (tmp_path / "results").mkdir()
    return Run(tmp_path)


def planned(done):
    """Rule to number of jobs, from the table of a dry run."""
    table = done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M)}


def test_a_pair_passes_through_every_stage_and_another_family_is_grown(run):
    jobs = planned(run.call("pasta", "--dry-run"))
    # Two pairs of one base: fit for base, aligned, placebo, null; select and test for the last two of a pair; test for the base;
    # fit and test for the scorers' aligned model, whose texts the detectors are fitted on.
    expected = {
        "signature": 2,
        "localize_signature": 2,
        "signature_weights": 2,
        "pasta_generate": 11,
        "detect": 5,
        "judge": 5,
        "text_measures": 2,
        "pasta_hooked_benchmarks": 2,
        "pasta_divergence": 2,
        "extract": 2,
        "organism_member": 5,
        "organism_world": 2,
        "organism_prefixes": 2,
        "model_card": 5,
    }
    assert {name: jobs.get(name) for name in expected} == expected
    assert not {"answers", "localize", "screen", "evaluate", "pick", "measure", "refusal_classifier"} & set(jobs)


def test_the_default_target_asks_nothing_of_it_unless_the_recipe_is_named(run):
    assert "signature" not in planned(run.call("--dry-run"))
    assert planned(run.call("--dry-run", "--config", "recipes=[rosi, pasta]"))["signature"] == 2


def test_without_the_other_recipe_the_default_target_is_this_paper(run):
    jobs = planned(run.call("--dry-run", "--config", "recipes=[pasta]"))
    assert jobs["signature"] == 2 and jobs["page"] == 1 and not {"evaluate", "localize", "pick", "rosi_claims"} & set(jobs)


def test_a_run_without_a_pair_says_so(run):
    few = ["organism={members: [base, weak]}", "selection={headline: [weak]}", "rosi={headline: [weak]}"]
    for asked in (["pasta"], ["--config", "recipes=[pasta]"]):
        target = asked if asked[0] == "pasta" else []
        done = run.call(*target, "--dry-run", "--config", *few, *(asked[1:] if not target else []), check=False)
        assert done.returncode != 0
        assert "gives it nothing to study" in done.stdout + done.stderr


def test_a_paper_that_asks_the_engine_joins_the_run_that_names_it(run):
    jobs = planned(run.call("rosi", "--dry-run", "--config", "recipes=[pasta]"))
    assert jobs["rosi_claims"] == 1 and jobs["pick"] and jobs["signature"] == 2 and jobs["page"] == 1
    assert "superficial_diagnostics" not in jobs
    assert planned(run.call("superficial", "--dry-run"))["superficial_diagnostics"] == 1
    assert "superficial_diagnostics" not in planned(run.call("--dry-run"))
