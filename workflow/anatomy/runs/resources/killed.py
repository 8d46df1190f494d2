"""What the system means when it ends a process: the signal, its likely cause, and what to do."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from anatomy.costs.job_kinds import kinds_of
from anatomy.errors import AnatomyError, EngineError
from anatomy.models.machine.memory import Machine, memory_kills, this_machine
from anatomy.models.memory import say_bytes
from anatomy.recipes.registry import known
from anatomy.runs.resources.needs import MIB

SHELL = 128
"""A shell reports a command that a signal ended as this and the signal's number."""

MEANINGS: Mapping[str, tuple[str, str]] = {
    "SIGSEGV": (
        "native code touched memory that is not its own: a fault in a library, or a damaged installation",
        "run the same command again; if it stays, remove the environment's folder, so that it is built anew, and report "
        "the log's last lines",
    ),
    "SIGILL": (
        "native code used an instruction that this CPU does not have: a package was built for a newer one",
        "build the environment on a machine of this kind (ANATOMY_ENVIRONMENTS names another folder); on a cluster, ask "
        "for nodes whose CPU is like the one it was built on",
    ),
    "SIGBUS": (
        "a file that is mapped into memory could not be read or written: a full disk or a full /dev/shm, or weights that "
        "were replaced or cut while they were read",
        "look at `df -h . /dev/shm` and free room, then run the same command again",
    ),
    "SIGFPE": ("native code divided by zero", "report the log's last lines; another dtype may get round it"),
    "SIGABRT": (
        "native code gave up; its reason, if it gave one, stands above in the log (a full memory and a failed check both end so)",
        "mend what the log names",
    ),
    "SIGTERM": (
        "somebody asked it to end: a person, a scheduler whose time limit was met, or a machine that shuts down",
        "run the same command again; on a cluster, raise resources.rules.<rule>.runtime",
    ),
    "SIGINT": ("somebody pressed Ctrl-C", "run the same command again"),
    "SIGQUIT": ("somebody pressed Ctrl-\\", "run the same command again"),
    "SIGHUP": ("its terminal was closed", "run the same command again"),
    "SIGPIPE": ("it wrote to a pipe that nobody reads any more", "run the same command again"),
    "SIGXCPU": ("it used more processor time than its limit (`ulimit -t`)", "raise the limit and run the same command again"),
    "SIGXFSZ": ("it wrote a file larger than its limit (`ulimit -f`)", "raise the limit and run the same command again"),
    "SIGSYS": (
        "it made a system call that this machine forbids, as sandboxes of containers do",
        "run outside the container, or allow the call",
    ),
}

SMALLER = {
    "vllm": "serving.kv_cache_bytes and serving.max_model_len, or a narrower dtype",
    "transformers": "serving.batch_size and extraction.token_budget, or a narrower dtype",
}
"""Options that take less memory, by what loads the model."""


SAYS_SO = re.compile(r"out of memory|(can't|cannot) allocate memory|unable to allocate", re.IGNORECASE)
"""What libraries say when memory runs out: torch, numpy, CUDA."""


@dataclass(frozen=True)
class Kills:
    """Processes that the kernel ended for want of memory, counted at one moment (see ``memory_kills``)."""

    group: int | None = None
    machine: int | None = None

    @classmethod
    def now(cls) -> Kills:
        return cls(*memory_kills())

    @property
    def readable(self) -> bool:
        """Whether the system counts the processes that it ended."""
        return self.group is not None or self.machine is not None

    def since(self, before: Kills) -> str | None:
        """What the kernel says of the time in between, in words; None where it says nothing."""
        for now, then, whose in ((self.group, before.group, "control group"), (self.machine, before.machine, "machine")):
            if now is not None and then is not None and now > then:
                many = "process" if now - then == 1 else "processes"
                return f"the kernel counts {now - then} {many} of this {whose} ended for want of memory meanwhile"
        return None


def signal_of(status: int | None) -> signal.Signals | None:
    """The signal behind an exit status, as Python (negative) or a shell (128 and more) gives it; None for an end by itself."""
    number = -status if status is not None and status < 0 else (status or 0) - SHELL
    try:
        return signal.Signals(number) if number > 0 else None
    except ValueError:
        return None


def status_in(message: str) -> int | None:
    """The exit status in a message of ``subprocess.CalledProcessError``; None without one."""
    if found := re.search(r"returned non-zero exit status (\d+)", message):
        return int(found[1])
    found = re.search(r"died with <Signals\.\w+: (\d+)>|died with unknown signal (\d+)", message)
    return -int(found[1] or found[2]) if found else None


def ended_by(
    found: signal.Signals, rule: str, asked_mb: int | None, others: int, counted: str | None, machine: Machine | None = None
) -> str:
    """A job that a signal ended, in a sentence or three.

    Args:
        rule: of the job.
        asked_mb: memory that it asked for; None where that is not known.
        others: jobs that ran beside it.
        counted: what the kernel's counters say (``Kills.since``).
        machine: where it ran; this machine if None.
    """
    head = f"ended by the system: {found.name} (signal {found.value})"
    if found is signal.SIGKILL:
        cause = (
            f"out of memory: {counted}"
            if counted
            else (
                "the kernel does that when memory runs out, and so does whoever ends a job by force (kill -9, a scheduler)"
                + ("; the kernel's counters do not show that it was memory" if Kills.now().readable else "")
            )
        )
        return f"{head}; {cause}. {memory_words(rule, asked_mb, others, machine)}"
    cause, lever = MEANINGS.get(found.name, ("no usual end of a job", "run the same command again"))
    return f"{head}; {cause}{f'; {counted}' if counted else ''}. What to do: {lever.replace('<rule>', rule)}"


def memory_failure(error: Exception, before: Kills) -> str | None:
    """Why a job's failure is one of memory, in words; None where nothing says so.

    Some failures name it; an engine in a process of its own that the kernel ended leaves only "the engine died".

    Args:
        before: counted when the job began.
    """
    if isinstance(error, AnatomyError) and not isinstance(error, EngineError):
        return None
    if isinstance(error, MemoryError) or (not isinstance(error, AnatomyError) and SAYS_SO.search(str(error))):
        return "the machine gave it no more"
    return Kills.now().since(before)


def memory_words(rule: str, asked_mb: int | None, others: int, machine: Machine | None = None) -> str:
    """What was asked for, what there is, and which options ask for less."""
    machine = machine or this_machine()
    asked = f"The job had asked for {say_bytes(asked_mb * MIB)}" if asked_mb else "What the job needs is not known"
    beside = f", {others} other job{'s' * (others > 1)} ran beside it" if others else ""
    kinds = kinds_of({name: paper.jobs for name, paper in known().items()})
    need = kinds[rule].need if rule in kinds else None
    smaller = f"lower {SMALLER[need.backend]}" if need is not None and need.backend else "make its inputs smaller"
    return (
        f"{asked}{beside}; the machine, or the share of it that is granted, has {say_bytes(machine.total)} in all, "
        f"{say_bytes(machine.free)} free now. What to do: {smaller}; or run fewer jobs at a time (--cores 1, or --resources "
        f"mem_mb={machine.total // MIB // 2}); or say what it needs, so that it runs alone (resources.rules.{rule}.mem_mb)"
    )
