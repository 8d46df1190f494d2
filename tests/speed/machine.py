"""Names of the hardware and of the versions that a table was measured with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from speed.setting import Setting


def machine(setting: Setting) -> dict[str, str]:
    """Hardware, versions, threads, load at the start."""
    warning = {"quick": "few items on a tiny model, to see that everything runs: these numbers mean nothing"}
    return (warning if setting.quick else {}) | {
        "hardware": hardware(setting.device),
        "threads": str(setting.threads),
        "load": f"{os.getloadavg()[0]:.1f} processes waiting on {os.cpu_count()} cores when it began",
        "versions": ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "vllm", "lm_eval")),
    }


def hardware(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    name = next(
        (line.split(":")[1].strip() for line in described.splitlines() if line.startswith("model name")), platform.machine()
    )
    amx = ", AMX bf16" if "amx_bf16" in described else ""
    return f"{name}, {os.cpu_count()} cores{amx}"
