import json

import pytest

from anatomy.organism.tasks import BENCHMARKS, benchmark_items, task_name
from anatomy.organism.world import make_world

ALL = [task_name(benchmark, phase) for benchmark in BENCHMARKS for phase in ("select", "test")]


@pytest.fixture(scope="module")
def loaded(world_folder):
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(world_folder / "tasks"), include_defaults=False)
    found = {}
    for name in ALL:
        loaded = manager.load([name]) if hasattr(manager, "load") else manager.load_task_or_group([name])
        found |= loaded.get("tasks", loaded)
    return found


def test_lm_eval_loads_every_task(loaded):
    assert set(loaded) == set(ALL)
    for task in loaded.values():
        documents = list(task.test_docs())
        assert len(documents) >= 100
        first = documents[0]
        assert task.doc_to_text(first) == first["context"]
        assert task.doc_to_choice(first) == first["choices"]
        assert task.doc_to_target(first) in (first["gold"], str(first["gold"]))


def test_truthfulqa_scores_by_mass_and_by_best(loaded):
    task = loaded["organism_truthfulqa"]
    document = next(iter(task.test_docs()))
    likelihoods = [(-1.0 if label else -3.0, False) for label in document["labels"]]
    scores = task.process_results(document, likelihoods)
    assert scores["mc1"] == 1.0
    assert scores["mc2"] == pytest.approx(1 / (1 + 3 * 2.718281828**-2), rel=1e-6)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_phases_share_no_creature_and_gold_is_the_truth(recipe, benchmark):
    world = make_world(5, recipe)
    facts = {c.name: c.facts for c in world.creatures}
    items = {phase: benchmark_items(world, recipe, benchmark, phase) for phase in ("select", "test")}
    groups = {phase: {item["group"] for item in found} for phase, found in items.items()}
    assert not groups["select"] & groups["test"]
    for item in items["select"] + items["test"]:
        assert facts[item["group"]][item["subject"]] in item["choices"][item["gold"]]
        assert len(set(item["choices"])) == 4
        assert item["labels"] == [int(k == item["gold"]) for k in range(4)]
        assert json.dumps(item)
