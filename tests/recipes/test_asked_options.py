"""A job that asks the engine is told what its papers' variants depend on, for every paper and every kind of model."""

import pytest

from anatomy.config.options import restore
from anatomy.config.study import subjects
from anatomy.recipes.asked_variants import asked_options, engine_variants
from anatomy.recipes.configuration import check_config
from anatomy.recipes.recipe import PHASES
from anatomy.recipes.registry import known

PAPERS = [name for name, paper in known([]).items() if paper.engine]
OWN = {
    "models": {"mine": {"folder": "models/mine", "kind": "aligned"}, "plain": {"folder": "models/plain", "kind": "base"}},
    "prompt_sets": {name: {"file": f"{name}.csv"} for name in ("asked", "harmless")},
    "evaluation": {"harmful": "asked", "benign": "harmless", "lookalikes": [], "jailbreaks": []},
    "extraction": {"harmful": "asked", "harmless": "harmless", "safety_system_prompt": "Refuse harm."},
    "benchmarks": {"data": "benchmarks"},
    "model_judges": {
        "harm": {"kind": "strongreject", "folder": "models/judge"},
        "refusing": {"kind": "wildguard", "folder": "models/guard"},
    },
    "rosi": {"headline": ["mine", "aligned"]},
    "pruning": {"models": ["mine", "aligned"], "sets": {"generation": "asked", "benign": "harmless"}},
    "superficial": {"pairs": {"mine": "plain"}},
}


@pytest.mark.parametrize("paper", PAPERS)
def test_variants_are_the_same_from_what_their_job_is_told(paper):
    config = check_config({**OWN, "recipes": [paper]}, "a test")
    found = 0
    for subject in subjects(config):
        for phase in PHASES:
            variants = engine_variants(config, subject, phase)
            told = restore(asked_options(config, [paper] if variants else [], subject), type(config))
            assert engine_variants(told, subject, phase) == variants
            found += len(variants) * (not subject.is_organism)
    assert found, "nothing is asked of a model of one's own"
