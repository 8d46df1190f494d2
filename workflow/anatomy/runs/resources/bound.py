"""On one machine, jobs that run at a time take no more memory together than it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from anatomy.models.machine.memory import this_machine
from anatomy.models.memory import SWITCH, say_bytes
from anatomy.runs.resources.needs import MIB
from anatomy.runs.resources.requests import Requests


def machine_memory_mb() -> int | None:
    """Main memory in MB (2^20 bytes), or the limit of the control group if that is lower; None where checks are off."""
    return None if os.environ.get(SWITCH) == "off" else this_machine().total // MIB


def too_large(requests: Requests, jobs: Iterable[tuple[str, Mapping[str, str]]], bound_mb: int) -> Iterator[str]:
    """A line for each rule and model that asks for more than there is: its jobs run alone, and may be ended by the kernel.

    Args:
        requests: of the run.
        jobs: rule and wildcards.
        bound_mb: what there is.
    """
    asked: dict[tuple[str, str], int] = {}
    for rule, wildcards in jobs:
        if rule in requests.kinds and requests.kinds[rule].need is not None:
            whose = wildcards.get("judge", wildcards.get("model", ""))
            asked[rule, whose] = requests.of(rule, wildcards).mem_mb
    for (rule, whose), mem_mb in sorted(asked.items()):
        if mem_mb > bound_mb:
            yield (
                f"{' '.join(filter(None, (rule, whose)))} may need {say_bytes(mem_mb * MIB)} and this machine has "
                f"{say_bytes(bound_mb * MIB)}: it runs alone and may be ended by the kernel; smaller batches, a smaller cache "
                f"(serving) or a narrower dtype ask for less"
            )
