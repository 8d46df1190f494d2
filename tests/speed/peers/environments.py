"""A throwaway environment for each tool, in the folder that the command line names and never in ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from anatomy.errors import ConfigError

TORCH = ("torch==2.13.0", "transformers==5.19.0")
"""The same for all tools, and the ones that the project's own locks name."""

OURS = ("PYTHONPATH", "VIRTUAL_ENV")
"""Variables by which our environment would reach into another one."""


def environment(folder: Path, name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of a tool's environment; made by ``venv`` and pip at the first call.

    Raises:
        ConfigError: pip could not install it.
    """
    home = folder / "env" / name
    python, mark = home / "bin" / "python", home / ".complete"
    if mark.is_file() and mark.read_text().split() == [*TORCH, *requirements]:
        return python
    own = {name: value for name, value in os.environ.items() if name not in OURS}
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True, env=own)
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", *TORCH, *requirements]
    done = subprocess.run(install, capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        raise ConfigError(
            found=done.stderr.strip()[-600:] or f"pip ended with status {done.returncode}",
            expected=f"{', '.join(requirements)} beside {', '.join(TORCH)}",
            where=str(home),
            remedy="the benchmark of peers needs a package registry",
        )
    mark.write_text("\n".join([*TORCH, *requirements]))
    return python


def surroundings(folder: Path, python: Path) -> dict[str, str]:
    """Environment variables of a tool: a home of its own, where it may unpack and cache what it likes."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "TERM": "dumb",
    }
