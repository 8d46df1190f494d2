"""A paper's whole grid, planned for a cluster without one: GPUs and memory by model, and no model here."""

import os
import re
import subprocess
import sys

import pytest
from quick_run import ROOT

from anatomy.costs.job_kinds import kinds_of
from anatomy.recipes.registry import known

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A dry run as on a login node with packages for GPUs."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "-n",
            "--profile",
            str(ROOT / "workflow" / "profiles" / "slurm"),
            "--quiet",
            "host",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--directory",
            str(tmp_path_factory.mktemp("plan")),
            "--configfile",
            str(ROOT / "config" / "paper" / "rosi.yaml"),
            "--config",
            "resources={gpu_memory_gib: 48}",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANATOMY_SET": "cuda"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def resources(plan, rule, model):
    """Resources of a rule's first planned job for a model."""
    job = next(job for job in re.split(r"\n(?=rule )", plan) if job.startswith(f"rule {rule}:") and f"model={model}" in job)
    said = re.search(r"resources: (.*)", job)[1]
    return {name: int(value) for name, value in re.findall(r"(mem_mb|runtime|gpu)=(\d+)", said)}


def test_gpus_follow_the_model(plan):
    """Two bytes a parameter, and room for 16 prompts of 4096 tokens, on GPUs of 48 GiB."""
    found = {
        model: resources(plan, "evaluate", model)["gpu"]
        for model in ("qwen2.5-0.5b-instruct", "llama-3.2-1b-instruct", "qwen2.5-14b-instruct", "dolphin3.0-mistral-24b")
    }
    assert list(found.values()) == [1, 1, 1, 2]
    assert resources(plan, "extract", "dolphin3.0-mistral-24b")["gpu"] == 1, "transformers uses one"


def test_memory_and_time_follow_the_model(plan):
    small, large = (resources(plan, "extract", model) for model in ("llama-3.2-1b-instruct", "dolphin3.0-mistral-24b"))
    assert large["mem_mb"] > 2 * 24e9 / 2**20 > small["mem_mb"] and large["runtime"] > small["runtime"]


def test_rules_without_a_model_ask_for_no_gpu(plan):
    assert resources(plan, "judge", "dolphin3.0-mistral-24b")["gpu"] == 0


def test_whatever_is_submitted_has_its_needs(plan):
    """Planned rules are those with needs and the local ones of the Snakefile; a dry run does not tell them apart."""
    listed = re.search(r"^localrules:\n((?: +\w+,\n)+)", (ROOT / "Snakefile").read_text(), flags=re.M)[1]
    local = {name.strip() for name in listed.split(",")}
    planned = set(re.findall(r"^(?:local)?rule (\w+):", plan, flags=re.M))
    own = {name for name in planned if name.endswith("_ledger") or name == "ledger"}  # local where they stand
    kinds = kinds_of({name: paper.jobs for name, paper in known().items()})
    assert {name for name in planned - local - own if kinds[name].need is None} <= {"localize_signature"}
    assert {"evaluate", "pick", "page"} <= planned and {"prompt_set", "model_card"} <= local
