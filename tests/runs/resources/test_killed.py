"""Each signal in words of its own, with the lever; and what the kernel's counters say of memory."""

import os
import signal
import subprocess
import sys

import pytest

from anatomy.errors import DataError, EngineError
from anatomy.models.machine.memory import Machine
from anatomy.runs.resources import killed
from anatomy.runs.resources.killed import MEANINGS, Kills, ended_by, memory_failure, signal_of, status_in

MACHINE = Machine(16 << 30, 2 << 30)
SPOKEN_OF = ("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTERM", "SIGXCPU", "SIGXFSZ", "SIGSYS", "SIGHUP", "SIGPIPE")


@pytest.mark.parametrize("name", ["SIGKILL", *SPOKEN_OF])
@pytest.mark.parametrize("through_shell", [True, False])
def test_the_signal_is_found_in_what_a_process_really_leaves(name, through_shell):
    number = getattr(signal, name).value
    dies = f"import os, signal; signal.signal({number}, signal.SIG_DFL) if {number} != 9 else 0; os.kill(os.getpid(), {number})"
    call = [sys.executable, "-c", dies]
    command = ["bash", "-c", 'set -euo pipefail; "$@"; true', "bash", *call] if through_shell else call
    with pytest.raises(subprocess.CalledProcessError) as error:
        subprocess.run(["bash", "-c", 'ulimit -c 0; exec "$@"', "bash", *command], check=True, stderr=subprocess.DEVNULL)
    assert signal_of(error.value.returncode) is signal.Signals(number)
    assert signal_of(status_in(f"CalledProcessError in file x, line 3:\n{error.value}")) is signal.Signals(number)


@pytest.mark.parametrize("status", [0, 1, 2, 127, 128, 255, None])
def test_an_end_by_itself_is_no_signal(status):
    assert signal_of(status) is None


@pytest.mark.parametrize("message", ["", "returned non-zero exit status", "No space left on device"])
def test_a_message_without_a_status_says_nothing(message):
    assert status_in(message) is None


def test_every_signal_has_a_sentence_and_a_lever_of_its_own():
    said = {name: ended_by(getattr(signal, name), "evaluate", 900, 0, None, MACHINE) for name in SPOKEN_OF}
    causes = {name: cause for name, (cause, _) in MEANINGS.items()}
    assert len(set(causes.values())) == len(causes)
    for name, words in said.items():
        assert words.startswith(f"ended by the system: {name} (signal ") and causes[name] in words and "What to do: " in words
    assert "CPU" in said["SIGILL"] and "/dev/shm" in said["SIGBUS"] and "scheduler" in said["SIGTERM"]
    assert "no usual end" in ended_by(signal.SIGUSR1, "evaluate", None, 0, None, MACHINE)


@pytest.mark.parametrize(
    ("rule", "lever"),
    [
        ("evaluate", "serving.kv_cache_bytes"),
        ("localize", "extraction.token_budget"),
        ("claims", "--cores 1"),
        ("a rule of another workflow", "--cores 1"),
    ],
)
def test_a_kill_names_what_was_asked_what_there_is_and_what_to_lower(rule, lever):
    words = ended_by(signal.SIGKILL, rule, 6144, 3, "the kernel counts 1 process of this machine", MACHINE)
    assert "SIGKILL (signal 9)" in words and "out of memory: the kernel counts 1" in words
    assert "6.0 GiB" in words and "3 other jobs" in words and "16.0 GiB" in words and lever in words
    assert "--resources mem_mb=8192" in words and f"resources.rules.{rule}.mem_mb" in words


def test_without_the_kernel_s_word_memory_is_likely_and_not_certain(monkeypatch):
    monkeypatch.setattr(killed, "memory_kills", lambda: (0, 0))
    words = ended_by(signal.SIGKILL, "evaluate", None, 0, None, MACHINE)
    assert "out of memory:" not in words and "kill -9" in words and "do not show" in words
    monkeypatch.setattr(killed, "memory_kills", lambda: (None, None))
    assert "do not show" not in ended_by(signal.SIGKILL, "evaluate", None, 0, None, MACHINE)


def test_counters_speak_by_their_difference():
    assert Kills(1, 5).since(Kills(1, 5)) is None and Kills(None, None).since(Kills(1, 1)) is None
    assert "1 process of this control group" in Kills(2, 6).since(Kills(1, 5))
    assert "3 processes of this machine" in Kills(None, 8).since(Kills(None, 5))
    assert Kills.now() == Kills.now()


def test_an_engine_that_the_kernel_ended_is_a_failure_of_memory(monkeypatch):
    """The engine's own process was killed: the job is told no more than that it died."""
    monkeypatch.setattr(killed, "memory_kills", lambda: (1, 1))
    before = Kills(0, 0)
    assert "control group" in memory_failure(RuntimeError("Engine core died"), before)
    assert "control group" in memory_failure(EngineError(found="x", expected="y", where="z", remedy="w"), before)
    assert memory_failure(DataError(found="x", expected="y", where="z", remedy="w"), before) is None, "explained already"
    assert memory_failure(RuntimeError("other"), Kills(1, 1)) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:125] can't allocate memory: 8 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_failures_that_name_memory_themselves(error):
    assert memory_failure(error, Kills.now()) is not None


def test_the_machine_itself_can_be_asked():
    assert "GiB" in ended_by(signal.SIGKILL, "evaluate", 100, 0, None) and os.getpid()
