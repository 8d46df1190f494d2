"""A run that was started from another folder: what its command line says of paths is meant from there.

Snakemake itself reads configuration files and profiles from where it was started, and everything else in the folder of the run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from anatomy.config.places import placed, seen_from
from anatomy.errors import ConfigError
from anatomy.store.json_objects import JsonObject

VARIABLE = "ANATOMY_STANDING"
"""The folder that the caller stands in, where ``envs/bootstrap.py`` was called from another than the checkout."""


ASKED = ("targets", "forcerun", "until", "omit_from")
"""Sets of Snakemake's settings that hold rules and files."""


def read_config_from_there(workflow: Any, config: JsonObject) -> None:
    """Put the paths of ``--config`` into a configuration as the run has to write them.

    Args:
        workflow: Snakemake's, while its Snakefile is read in the folder of the run.
        config: the merged configuration; it is changed.
    """
    if here := elsewhere():
        update_config(config, seen_from(dict(workflow.config_settings.config), here, Path.cwd()))


def cores_given(workflow: Any) -> int | None:
    """Cores that the command line or profile gives a run; None where it says nothing."""
    given = workflow.resource_settings.cores
    return given if isinstance(given, int) and given > 0 else None


def require_writable(folder: Path) -> None:
    """Snakemake keeps its own files in the folder of the run, even while planning: where it cannot, it says so in its own code.

    Raises:
        ConfigError: nothing can be written there.
    """
    own = folder / ".snakemake"
    try:
        own.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=own) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise ConfigError(
            found=error.strerror or str(error),
            expected="a folder of the run that Snakemake can write in",
            where=str(own),
            remedy="make room or mend the permissions, or name another folder for the run and its results: --directory",
        ) from error


def read_targets_from_there(workflow: Any) -> None:
    """Name the files that a run is asked for as its rules do; rules keep their names.

    Args:
        workflow: Snakemake's, before it executes.
    """
    if here := elsewhere():
        for name in ASKED:
            asked = getattr(workflow.dag_settings, name)
            setattr(workflow.dag_settings, name, {placed(one, here, Path.cwd()) if "/" in one else one for one in asked})


def elsewhere() -> Path | None:
    """Where the caller stands; None where that is the folder of the run, or nobody said."""
    here = os.environ.get(VARIABLE)
    return Path(here) if here and Path(here) != Path.cwd() else None
