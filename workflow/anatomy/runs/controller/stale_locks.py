"""Lock files of Snakemake that a killed controller left behind.

Snakemake keeps lists of files, ``<number>.input.lock`` and ``<number>.output.lock``, and cannot tell a dead owner's from a
live one's. Whoever has the hold on a folder of results can: a list of outputs below it belongs to a dead controller.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def remove_stale_locks(locks: Path, results: str) -> int:
    """Remove the lists that name outputs below ``results``, with their lists of inputs; returns how many runs they were of.

    Only for whoever holds ``results``. Lists of runs on other results in the same working folder stay.

    Args:
        locks: ``.snakemake/locks`` of the working folder.
        results: as the configuration writes it, which is how Snakemake's lists begin.
    """
    beginning = f"{results.rstrip('/')}/"
    stale = 0
    for path in sorted(locks.glob("*.output.lock")):
        with contextlib.suppress(FileNotFoundError):  # Snakemake empties the folder when any run ends
            if any(line.startswith(beginning) for line in path.read_text(encoding="utf-8").splitlines()):
                path.with_name(path.name.replace(".output.", ".input.")).unlink(missing_ok=True)
                path.unlink()
                stale += 1
    return stale
