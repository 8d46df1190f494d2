"""Alternated repeats: each side warmed once, then one after the other, so that a drifting machine meets both alike."""

import sys
import time
from collections.abc import Callable, Mapping


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call, with the work that it left on a GPU."""
    started = time.perf_counter()
    run()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def alternate(sides: Mapping[str, Callable[[], object]], repeats: int, warm: bool = True) -> dict[str, list[float]]:
    """Seconds of every repeat of each side; the order turns round from repeat to repeat."""
    if warm:
        for run in sides.values():
            run()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats):
        order = list(sides) if repeat % 2 == 0 else list(reversed(sides))
        for name in order:
            found[name].append(seconds(sides[name]))
    return found
