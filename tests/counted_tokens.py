"""What really passes through a model's blocks, counted at their feed-forward layers, which a skipped block never calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.modules.module import register_module_forward_hook


class Passed:
    """Tokens through blocks, summed over them.

    Attributes:
        tokens: token and block pairs.
    """

    def __init__(self) -> None:
        self.tokens = 0

    def through(self, num_layers: int) -> float:
        """As whole passes of a token."""
        return self.tokens / num_layers


@contextmanager
def counting() -> Iterator[Passed]:
    """Count every token of every model in this process."""
    passed = Passed()

    def count(module, inputs, _output):
        if type(module).__name__.endswith("MLP"):
            passed.tokens += inputs[0].shape[:-1].numel()

    handle = register_module_forward_hook(count)
    try:
        yield passed
    finally:
        handle.remove()
