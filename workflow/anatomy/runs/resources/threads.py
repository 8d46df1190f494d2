"""How many threads a run's models compute on: ``serving.threads: auto`` as a number, which a resumed run keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from anatomy.config.schema import Config
from anatomy.errors import StoreError
from anatomy.models.machine import cores
from anatomy.store.files import read_json, write_json

AUTO = "auto"
KEPT = "threads.json"
"""File of the results that holds the number."""

Whole = TypeVar("Whole", bound=Config)


def with_threads(config: Whole, *, on_gpu: bool, at_most: int | None = None) -> Whole:
    """The configuration with ``serving.threads`` as a number.

    The last digits of a result may depend on how many threads computed it, so the number that a run has begun with stays its own
    on every machine. One model has all cores, since its jobs wait for one another, and so do a model and the base that it is
    compared with; several share them. The organism keeps one thread, so that its tables are the same bits everywhere.

    Args:
        on_gpu: whether models run on GPUs.
        at_most: cores that the run was given; None for all.

    Raises:
        StoreError: the number that was kept cannot be read.
    """
    if config.serving.threads != AUTO:
        return config
    path = Path(config.results) / KEPT
    number = kept(path) if path.exists() else chosen(config, on_gpu=on_gpu, at_most=at_most)
    return config.model_copy(update={"serving": config.serving.model_copy(update={"threads": number})})


def chosen(config: Config, *, on_gpu: bool, at_most: int | None = None) -> int:
    """What ``auto`` comes to on this machine."""
    if config.organism.members or on_gpu:
        return 1
    usable = cores.usable_cores()
    bases = {model.base for model in config.models.values()}
    side_by_side = sum(name not in bases for name in config.models)
    return max(1, min(usable, at_most or usable) // max(1, side_by_side))


def kept(path: Path) -> int:
    """The number that a run keeps.

    Raises:
        StoreError: the file holds no number of threads.
    """
    found = read_json(path)
    number = found.get("threads") if isinstance(found, dict) else None
    if not isinstance(number, int) or number < 1:
        raise StoreError(
            found=f"{found!r}",
            expected='{"threads": a number from 1 on}',
            where=str(path),
            remedy="write the number there with which the run began, or delete the file and all is computed anew",
        )
    return number


def keep_threads(config: Config, asked: int | str) -> None:
    """Keep the number of a run that begins.

    Args:
        config: with the number.
        asked: as the configuration's files say it; a number there needs no keeping.
    """
    path = Path(config.results) / KEPT
    if asked == AUTO and not path.exists():
        write_json(path, {"threads": config.serving.settled_threads})
