"""How a failure reads: what was found, what was expected, where, and what to do about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class AnatomyError(Exception):
    """A failure a user can act on.

    Args:
        found: what the program met.
        expected: what it needs instead.
        where: the file, key, row, layer or prompt concerned.
        remedy: what to do about it.
    """

    def __init__(self, *, found: str, expected: str, where: str, remedy: str = "") -> None:
        self.found, self.expected, self.where, self.remedy = found, expected, where, remedy
        super().__init__(found, expected, where, remedy)

    def __str__(self) -> str:
        lines = [f"in {self.where}:", f"  found:    {self.found}", f"  expected: {self.expected}"]
        if self.remedy:
            lines.append(f"  to do:    {self.remedy}")
        return "\n".join(lines)


class ConfigError(AnatomyError):
    """The configuration cannot mean what it says."""


class DataError(AnatomyError):
    """A prompt set, table or file of results is malformed."""


class ModelError(AnatomyError):
    """A model folder or checkpoint cannot be used."""


class NumericsError(AnatomyError):
    """A computation met NaN, infinity or a zero where none may be."""


class EditError(AnatomyError):
    """An edit does not fit the model it is meant for."""


class EngineError(AnatomyError):
    """A running engine failed, or can no longer be trusted to serve the model it was started with."""


class StoreError(AnatomyError):
    """The store or the results folder is unusable or holds what it should not."""


class LockError(StoreError):
    """A lock cannot be taken, and nobody holds it: the disk has no locks, or is not in order."""


class FetchError(AnatomyError):
    """A data set or a model could not be fetched."""


class ExportError(AnatomyError):
    """An edited checkpoint is not what it should be."""


class GateError(AnatomyError):
    """An edit may not leave the results folder."""


MALFORMED: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    EOFError,
)
"""What parsers of files raise at content they were not made for; libraries' own errors derive from these or are added."""


@contextlib.contextmanager
def parsing(error: type[AnatomyError], where: str, expected: str, *also: type[Exception], remedy: str = "") -> Iterator[None]:
    """Turn whatever a parser makes of a file into one error that names the file; errors of this package pass.

    Keep the body to the reading of one file: a mistake in code elsewhere must not read as a damaged file.

    Args:
        error: what to raise.
        where: the file.
        expected: what it should have been.
        also: exceptions of libraries that do not derive from ``MALFORMED``.
    """
    try:
        yield
    except AnatomyError:
        raise
    except (*MALFORMED, *also) as problem:
        first = next(iter(str(problem).splitlines()), "")
        raise error(found=f"{type(problem).__name__}: {first}", expected=expected, where=where, remedy=remedy) from problem
