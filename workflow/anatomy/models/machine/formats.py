"""Which number format this machine multiplies fast.

A CPU without bfloat16 instructions multiplies in bfloat16 some fifty times slower than in float32, without a word. CPU flags say
what is built in, and a probe of milliseconds what comes of it: a library may be told to leave instructions alone
(``ONEDNN_MAX_CPU_ISA``), a virtual machine may hide or emulate them. Whatever picks a format by itself asks here.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Final, Literal

Format = Literal["float32", "bfloat16", "float16"]

AUTO: Final = "auto"
"""In a configuration: the format that the machine multiplies fast."""

WORTH = 1.2
"""How many times faster than float32 a CPU must multiply in bfloat16 to be worth its seven fewer bits."""

SLOW = 2.0
"""How many times slower than the fast format another one is when it is told."""

PROBE = 256
"""Rows and columns of the probe: 33 million operations, a millisecond where the format is fast."""


@functools.cache
def product_rate(dtype: Format, threads: int = 1) -> float:
    """Operations a second (a multiplication and an addition are two) of this CPU in products of two square matrices.

    The best of a few, so that another process on the same core does not count. Takes some milliseconds, 0.1 s where the format
    is slow. The number of threads is this process's own again afterwards.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        generator = torch.Generator().manual_seed(0)
        left, right = (torch.randn(PROBE, PROBE, generator=generator).to(getattr(torch, dtype)) for _ in range(2))
        torch.mm(left, right)
        best, began = float("inf"), time.perf_counter()
        while best == float("inf") or time.perf_counter() - began < 0.01:
            started = time.perf_counter()
            torch.mm(left, right)
            best = min(best, time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    return 2 * PROBE**3 / best


def bfloat16_instructions() -> tuple[str, ...]:
    """The CPU's instructions for products in bfloat16, among ``amx_bf16``, ``avx512_bf16`` and ``bf16`` (ARM); none: empty."""
    import torch

    asked = {"amx_bf16": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported", "bf16": "_is_arm_bf16_supported"}
    return tuple(name for name, question in asked.items() if getattr(torch.cpu, question, bool)())


@functools.cache
def fast_format(device: str | None = None) -> Format:
    """The format in which models run fast here: what ``dtype: auto`` stands for.

    On a GPU bfloat16, or float16 on one that is older than bfloat16. On a CPU bfloat16 where the CPU has instructions for it and
    a probe finds them ``WORTH`` it; float32 otherwise.

    Args:
        device: ``cpu`` or ``cuda``; None: what this environment was built for, since a GPU may be on another node.
    """
    import torch

    if device is None:
        device = "cpu" if torch.version.cuda is None else "cuda"
    if device == "cuda":
        return "float16" if lacks_bfloat16() else "bfloat16"
    if not bfloat16_instructions():
        return "float32"
    return "bfloat16" if product_rate("bfloat16") >= WORTH * product_rate("float32") else "float32"


def resolved(dtype: Format | Literal["auto"], refused: Set[Format] = frozenset()) -> Format:
    """A format as configured, ``auto`` replaced by what is fast here.

    Args:
        refused: formats that the model cannot be computed in, which ``auto`` never is.
    """
    if dtype != AUTO:
        return dtype
    return "float32" if (fast := fast_format()) in refused else fast


def lacks_bfloat16() -> bool:
    """Whether the models of this machine run on a GPU without instructions for bfloat16 (before Ampere)."""
    import torch

    return torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)


def foreseen(dtype: Format | Literal["auto"], on_gpu: bool) -> Format:
    """A format as configured, for estimates made before torch is imported: of ``auto`` the CPU's flags decide, no probe."""
    if dtype != AUTO:
        return dtype
    if on_gpu:
        return "bfloat16"
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return "float32"
    return "bfloat16" if {"amx_bf16", "avx512_bf16", "bf16"} & set(flags) else "float32"


def slowness(dtype: Format) -> float:
    """How many times slower this CPU multiplies in a format than in its fast one; 1 where it is the fast one, and on a GPU."""
    if fast_format() == dtype or fast_format("cpu") == dtype or _on_gpu():
        return 1.0
    return product_rate(fast_format("cpu")) / product_rate(dtype)


def warn_if_slow(dtype: Format, where: str, say: Callable[[str], None]) -> None:
    """Say, where somebody asked for a format that is slow here, by how much and what would be fast."""
    factor = slowness(dtype)
    if factor >= SLOW:
        say(
            f"{where}: this CPU multiplies in {dtype} {factor:.0f} times slower than in {fast_format('cpu')}; "
            f"dtype: auto takes the fast one"
        )


def _on_gpu() -> bool:
    import torch

    return torch.version.cuda is not None and torch.cuda.is_available()
