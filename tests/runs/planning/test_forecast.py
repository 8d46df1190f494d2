"""The plan's seconds by job, for a run's line of progress."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import make_tiny_model

from anatomy.errors import AnatomyError
from anatomy.runs.pending.jobs import PendingJob
from anatomy.runs.planning.forecast import forecast


def test_every_job_of_known_size_has_its_seconds(tmp_path):
    options = {
        "results": str(tmp_path),
        "organism": {"members": ["base", "weak"]},
        "selection": {"headline": []},
        "rosi": {"headline": []},
    }
    jobs = [
        PendingJob("organism_member", {"seed": "0", "member": "base"}, ("x/card.json",)),
        PendingJob("localize", {"model": "weak.s0"}, ("x/grid.parquet",)),
        PendingJob("evaluate", {"model": "weak.s0", "phase": "test", "bucket": "0"}, ("x/test.0.parquet",)),
        PendingJob("all", {}, ()),
    ]
    found = forecast(options, jobs, on_gpu=False)
    assert set(found) == {"organism_member 0 base", "localize weak.s0", "evaluate weak.s0 test 0"}
    assert all(found[name][0] == name.split()[0] and found[name][1] > 0 for name in found)


def test_a_model_of_unknown_size_is_left_out(tmp_path):
    options = {
        "results": str(tmp_path),
        "selection": {"headline": []},
        "rosi": {"headline": []},
        "extraction": {"safety_system_prompt": "Be kind."},
        "models": {"mine": {"hub": "org/nameless", "revision": "0" * 40, "kind": "aligned", "dtype": "bfloat16"}},
        "prompt_sets": {f"{label}_requests": {"file": f"{label}.csv", "label": label} for label in ("harmful", "benign")},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "benchmarks": {"tasks": []},
    }
    jobs = [PendingJob("extract", {"model": "mine"}, ("x",)), PendingJob("claims", {}, ("y",))]
    assert set(forecast(options, jobs, on_gpu=False)) == {"claims"}


def test_a_configuration_that_is_none_is_an_error_of_its_own(tmp_path):
    with pytest.raises(AnatomyError):
        forecast({"results": str(tmp_path), "nonsense": 1}, [], on_gpu=False)


def test_the_controllers_process_is_spared_the_model_libraries(tmp_path):
    """A model of one's own with its tokenizer, which other plans count prompts with."""
    options = {
        "results": str(tmp_path),
        "organism": {"members": []},
        "selection": {"headline": []},
        "rosi": {"headline": []},
        "models": {"mine": {"folder": str(make_tiny_model(tmp_path / "model"))}},
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "benchmarks": {"tasks": []},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "prompt_sets": {f"{label}_requests": {"dataset": "advbench", "published": False} for label in ("harmful", "benign")},
    }
    code = (
        "import json, sys\nfrom anatomy.runs.pending.jobs import PendingJob\n"
        "from anatomy.runs.planning.forecast import forecast\n"
        "found = forecast(json.load(sys.stdin), [PendingJob('localize', {'model': 'mine'}, ('x',))], on_gpu=False)\n"
        "print(json.dumps([found['localize mine'][1], *({'torch', 'transformers', 'vllm'} & set(sys.modules))]))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(options),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "workflow")},
        cwd=root,
    )
    seconds, *imported = json.loads(done.stdout.splitlines()[-1])
    assert seconds > 0 and imported == []
