"""What memory this process may still take, on the machine or the share of it that a scheduler granted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps control groups, by which containers and schedulers limit memory."""


@dataclass(frozen=True)
class Machine:
    """Memory in bytes.

    Attributes:
        total: main memory, or the limit of this process's control group if that is lower.
        free: what this process can still take of it without swapping.
        gpu: name of the GPU; None without one.
        gpu_total, gpu_free: its memory; with several, that of all of them.
    """

    total: int
    free: int
    gpu: str | None = None
    gpu_total: int = 0
    gpu_free: int = 0


def this_machine(gpus: int = 0) -> Machine:
    """Measure now.

    Args:
        gpus: how many GPUs to ask too, the first ones that this process sees; this opens a context on each, which is why it is
            none by default.
    """
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for limit, used in group_limits(GROUPS, Path("/proc/self/cgroup")):
        total, free = min(total, limit), min(free, max(limit - used, 0))
    if not gpus:
        return Machine(total, free)
    import torch

    memory_of = [torch.cuda.mem_get_info(number) for number in range(gpus)]
    gpu_free, gpu_total = (sum(one) for one in zip(*memory_of, strict=True))
    return Machine(total, free, torch.cuda.get_device_name(), gpu_total, gpu_free)


def group_limits(groups: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """``(limit, used)`` in bytes of every memory control group that this process is in, version 1 or 2.

    A group's limit holds for all groups below it, so the ancestors count too. Inactive file cache is not used: the kernel
    gives it back.
    """
    for folder, names in _memory_groups(groups, membership):
        if (folder / names.limit).is_file():
            limit = (folder / names.limit).read_text(encoding="utf-8").strip()
            if limit.isdigit():
                yield int(limit), _used(folder, names.usage, names.cache)


def memory_kills(
    groups: Path = GROUPS, membership: Path = Path("/proc/self/cgroup"), vmstat: Path = Path("/proc/vmstat")
) -> tuple[int | None, int | None]:
    """How many processes the kernel has ended for want of memory: of this process's control group, and on the machine.

    Counters since either began, so it is a difference that says something; None where the system does not tell.
    """
    own = None
    for folder, names in _memory_groups(groups, membership):
        own = _counter(folder / names.events, "oom_kill")
        if own is not None:
            break
    return own, _counter(vmstat, "oom_kill")


@dataclass(frozen=True)
class _Names:
    """Files of a memory control group, and the line of ``memory.stat`` that counts its inactive file cache."""

    limit: str
    usage: str
    cache: str
    events: str


VERSION_1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control")
VERSION_2 = _Names("memory.max", "memory.current", "inactive_file", "memory.events")


def _memory_groups(groups: Path, membership: Path) -> Iterator[tuple[Path, _Names]]:
    """This process's memory control group, then its ancestors."""
    if not membership.is_file():
        return
    for line in membership.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = groups, VERSION_2
        elif "memory" in controllers.split(","):
            root, names = groups / "memory", VERSION_1
        else:
            continue
        group = root / path.lstrip("/")
        # Inside a container the path may be the host's: then only the root of what is mounted can be read.
        for folder in [group, *group.parents]:
            yield folder, names
            if folder == root:
                break


def _counter(path: Path, name: str) -> int | None:
    try:
        found = dict(line.split() for line in path.read_text(encoding="utf-8").splitlines() if len(line.split()) == 2)
        return int(found[name])
    except (OSError, KeyError, ValueError):
        return None


def _used(folder: Path, usage: str, cache: str) -> int:
    statistics = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
    return int((folder / usage).read_text(encoding="utf-8")) - int(statistics.get(cache, 0))
