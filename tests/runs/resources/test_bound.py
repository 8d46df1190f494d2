"""What jobs may take together on one machine, and who is told that it asks for more."""

import pytest

from anatomy.models.machine.memory import this_machine
from anatomy.recipes.configuration import Config
from anatomy.runs.resources.bound import machine_memory_mb, too_large
from anatomy.runs.resources.requests import Requests


def test_the_bound_is_the_machine_s_and_not_a_constant(monkeypatch):
    assert machine_memory_mb() == this_machine().total >> 20
    monkeypatch.setenv("ANATOMY_MEMORY_CHECK", "off")
    assert machine_memory_mb() is None


@pytest.fixture
def requests():
    config = Config.model_validate(
        {
            "models": {"mine": {"hub": "org/big-8B", "revision": "0" * 40, "kind": "aligned", "dtype": "bfloat16"}},
            "prompt_sets": {f"{label}_requests": {"file": f"{label}.csv", "label": label} for label in ("harmful", "benign")},
            "organism": {"members": ["base", "weak"]},
            "extraction": {"safety_system_prompt": "Be kind."},
            "selection": {"headline": []},
            "rosi": {"headline": []},
            "evaluation": {"lookalikes": [], "jailbreaks": []},
            "benchmarks": {"tasks": []},
            "resources": {"rules": {"pick": {"mem_mb": 50_000}}},
        }
    )
    return Requests(config, on_gpu=False)


def test_whoever_asks_for_more_than_there_is_is_told_once(requests):
    jobs = [
        ("evaluate", {"model": "mine", "phase": "select"}),
        ("evaluate", {"model": "mine", "phase": "test"}),
        ("localize", {"model": "mine"}),
        ("localize", {"model": "weak.s0"}),
        ("pick", {"model": "mine"}),
        ("all", {}),
    ]
    said = list(too_large(requests, jobs, 12_000))
    assert [line.partition(" may need")[0] for line in said] == ["evaluate mine", "localize mine", "pick mine"]
    assert all("11.7 GiB" in line and "runs alone" in line and "dtype" in line for line in said)
    assert list(too_large(requests, jobs, 1_000_000)) == []
