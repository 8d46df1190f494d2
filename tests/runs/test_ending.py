"""A job's process ends at once, with the right status, after everything that was registered for its end."""

import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"
HEAD = "import atexit, sys\nfrom anatomy.runs.ending import end_at_once\nsnakemake = object()\ndone = end_at_once()\n"
NOISE = "class Noisy:\n    def __del__(self): print('taken apart')\nkept = Noisy()\n"


def run(code):
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(WORKFLOW)}, check=False
    )
    return ended.returncode, ended.stdout


def test_a_finished_job_ends_well_after_its_handlers_and_without_taking_objects_apart():
    status, said = run(HEAD + NOISE + "atexit.register(print, 'handled')\nprint('worked', end='')\ndone()\n")
    assert (status, said) == (0, "workedhandled\n")


@pytest.mark.parametrize("end", ["", "raise SystemExit(1)\n", "raise ValueError\n", "done()\nraise ValueError\n"])
def test_a_job_that_did_not_finish_has_failed(end):
    assert run(HEAD + end)[0] == 1


def test_a_process_that_is_no_script_of_snakemake_ends_as_it_likes():
    status, said = run(HEAD.replace("snakemake = object()\n", "") + NOISE + "raise SystemExit(3)\n")
    assert (status, said) == (3, "taken apart\n")
