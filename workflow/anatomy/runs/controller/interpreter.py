"""A name of the interpreter that a shell takes as it stands, wherever the environment lies."""

from __future__ import annotations

import os
import shlex
import sys


def name_plainly() -> None:
    """Let jobs find the interpreter on the PATH where its own path has characters that a shell reads.

    Snakemake puts ``sys.executable`` unquoted into the shell command of every ``script:``; a space or a quote in it ends each
    job with status 127. By its name on the PATH it is the same interpreter, of the same environment.
    """
    folder, name = os.path.split(sys.executable)
    if folder and shlex.quote(sys.executable) != sys.executable:
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
        sys.executable = name
