"""Modules that compute something else for a while."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import nn


@contextmanager
def replaced_forward(forwards: Mapping[nn.Module, Callable]) -> Iterator[None]:
    """Let modules compute by these functions; afterwards they compute as before, placement on another GPU included."""
    before = {module: module.__dict__.get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module, own in before.items():
            if own is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = own
