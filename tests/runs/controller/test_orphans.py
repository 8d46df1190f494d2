"""Processes of a killed run are found and ended; those of others are not touched."""

import os
import signal
import subprocess
import sys

import pytest

from anatomy.runs.controller.orphans import VARIABLE, end_processes, find_processes

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.fixture
def start():
    started = []

    def begin(run, code=SLEEP, **options):
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, VARIABLE: run}, **options)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_only_the_processes_of_the_run_are_ended(start):
    one, two, other = start("run-a"), start("run-a"), start("run-ab")
    assert find_processes("run-a") == sorted([one.pid, two.pid])
    assert end_processes("run-a") == 2
    assert one.wait(5) == two.wait(5) == -signal.SIGTERM
    assert other.poll() is None


def test_who_does_not_listen_is_killed(start):
    process = start("run-b", STUBBORN, stdout=subprocess.PIPE)
    process.stdout.readline()
    assert end_processes("run-b", grace=0.3) == 1
    assert process.wait(5) == -signal.SIGKILL


def test_children_of_a_dead_controller_are_found(start):
    """As after a SIGKILL: the controller is gone, its child lives on under another parent."""
    own = f"import os; print(os.getpid(), flush=True); {SLEEP}"  # the child says it itself, once it has its environment
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {own!r}]); {SLEEP}"
    controller = start("run-c", code, stdout=subprocess.PIPE)
    child = int(controller.stdout.readline())
    controller.kill()
    controller.wait()
    assert find_processes("run-c") == [child]
    assert end_processes("run-c") == 1
    assert find_processes("run-c") == []


def test_whoever_asks_is_never_one_of_them():
    """A controller that a job of the run itself started would otherwise end itself."""
    code = (
        "from anatomy.runs.controller.orphans import find_processes, end_processes; import os\n"
        "print(find_processes('run-d'), end_processes('run-d'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, VARIABLE: "run-d"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "0"]
