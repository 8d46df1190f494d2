"""What a paper's own job gets of its surroundings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject


@runtime_checkable
class Running(Protocol):
    """A job that runs: its configuration, its model, and where it says what it does."""

    @property
    def config(self) -> Config: ...

    @property
    def subject(self) -> Subject: ...

    @property
    def at(self) -> Layout: ...

    @property
    def gpus(self) -> tuple[str, ...]: ...

    @property
    def threads(self) -> int: ...

    def say(self, text: str) -> None: ...


@runtime_checkable
class Inputs(Protocol):
    """Named inputs of a job: one path or several each."""

    def __getitem__(self, name: str) -> Any: ...

    def get(self, name: str) -> Any: ...

    def items(self) -> Iterable[tuple[str, Any]]: ...


@runtime_checkable
class Files(Protocol):
    """Snakemake's object in a script, as far as papers use it."""

    input: Inputs
    output: Any
    params: Any
    wildcards: Any


def written(files: Files, name: str) -> Path:
    """A named output of a job."""
    return Path(files.output[name])
