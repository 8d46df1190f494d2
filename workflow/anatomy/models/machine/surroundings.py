"""The software and hardware that a number was made with."""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

PACKAGES = (
    "torch",
    "transformers",
    "vllm",
    "lm_eval",
    "peft",
    "snakemake",
    "pandas",
    "numpy",
    "scikit-learn",
    "safetensors",
    "altair",
)


def software() -> dict[str, str]:
    """Python and the packages that shape numbers or pictures, with their versions."""
    return {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}}


Hardware = TypedDict(
    "Hardware",
    {
        "machine": str,
        "processor": str,
        "cores": int | None,
        "memory": str,
        "environment set": str,
        "accelerator": str,
    },
)
"""A machine, as pages and records name its parts."""


def hardware() -> Hardware:
    """The machine: processor, cores, memory, accelerator, and the set that the environment was built as."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "environment set": os.environ.get("ANATOMY_SET", "unknown"),
        "accelerator": accelerator(),
    }


@functools.cache
def installed(package: str) -> str:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def accelerator() -> str:
    """The first GPU's name, or none; a job that never needed torch does not import it to find out."""
    if "torch" not in sys.modules:
        return "not asked" if os.environ.get("ANATOMY_SET") == "cuda" else "none"
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
