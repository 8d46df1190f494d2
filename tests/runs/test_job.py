"""How a job fails, and that it sees only the sections of the configuration its rule named."""

import os
import subprocess
import sys

import pytest

from anatomy.config.options import options, restore
from anatomy.recipes.configuration import Config


def run_job(log, body, arguments="", **variables):
    """A job in a process of its own, as Snakemake starts it."""
    lines = [
        "from anatomy.runs.job import job",
        "from anatomy.errors import DataError",
        f"with job('extract weak', {str(log)!r}{arguments}) as run:",
        *(f"    {line}" for line in body),
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
    )


def test_a_failure_is_explained_on_the_terminal_and_traced_in_the_log(tmp_path):
    log = tmp_path / "logs" / "job.log"
    done = run_job(
        log,
        [
            "run.say('half way')",
            "raise DataError(found='nothing', expected='text', where='harmful.csv, row 3', remedy='fill it in')",
        ],
    )
    assert done.returncode == 1
    for said in ("[extract weak] half way", "harmful.csv, row 3", "fill it", str(log)):
        assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()


def test_what_libraries_print_stays_in_the_log(tmp_path):
    log = tmp_path / "job.log"
    done = run_job(log, ["print('chatter')", "import os; os.write(2, b'noise')"])
    assert done.returncode == 0
    assert "chatter" not in done.stdout + done.stderr and "noise" not in done.stderr
    assert "chatter" in log.read_text() and "noise" in log.read_text()


def test_a_job_asks_no_hub(tmp_path):
    """Whatever the shell says: what jobs need was fetched before."""
    log = tmp_path / "job.log"
    run_job(log, ["import huggingface_hub.constants as hub, os; print(hub.HF_HUB_OFFLINE, os.environ['HF_DATASETS_OFFLINE'])"])
    assert "True 1" in log.read_text()


@pytest.mark.parametrize(("gpus", "seen"), [(2, "('0', '1') 0,1"), (1, "('0',) 0"), (0, "()"), (None, "() 0,1,2")])
def test_a_job_sees_the_gpus_it_asked_for(tmp_path, gpus, seen):
    log = tmp_path / "job.log"
    body = ["import os; print('saw', run.gpus, os.environ['CUDA_VISIBLE_DEVICES'])"]
    done = run_job(log, body, f", gpus={gpus}", CUDA_VISIBLE_DEVICES="0,1,2", ANATOMY_GPU_LOCKS=str(tmp_path), SLURM_JOB_ID="")
    assert done.returncode == 0 and f"saw {seen}" in log.read_text()


def test_too_few_gpus_are_explained_before_the_job_begins(tmp_path):
    done = run_job(tmp_path / "job.log", ["print('begun')"], ", gpus=2", CUDA_VISIBLE_DEVICES="5")
    assert done.returncode == 1 and "1 visible GPUs (5)" in done.stderr and "begun" not in (tmp_path / "job.log").read_text()


def test_sections_come_back_typed():
    config = Config()
    found = restore(options(config, "rosi", "evaluation", "results"), Config)
    assert found.rosi == config.rosi and found.evaluation == config.evaluation and found.results == "results"


def test_a_section_that_was_not_named_is_not_a_default():
    with pytest.raises(AttributeError, match="selection"):
        _ = restore(options(Config(), "rosi"), Config).selection
