"""What can be said of several GPUs without one: how vLLM is asked, and what is refused."""

import os
import subprocess
import sys

import pytest

from anatomy.errors import ConfigError
from anatomy.serving.limits import refuse_many_gpus


def test_what_needs_the_module_here_is_refused_beyond_one_gpu():
    refuse_many_gpus(1, "reloading weights")
    with pytest.raises(ConfigError, match="4 GPUs share"):
        refuse_many_gpus(4, "reloading weights")


SCRIPT = """
import multiprocessing, os
print("the job begins", flush=True)
from anatomy.serving.environment import workers_without_main
with workers_without_main():
    worker = multiprocessing.get_context("spawn").Process(target=print, args=("a worker works",))
    worker.start()
worker.join()
print("the job ends", worker.exitcode, __file__.endswith("script.py"))
"""


def test_spawned_workers_do_not_begin_the_job_again(tmp_path):
    """A script without a guard, as Snakemake runs it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines() == ["the job begins", "a worker works", "the job ends 0 True"], done.stderr
