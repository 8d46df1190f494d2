"""A folder on which ``flock`` fails as on a disk without it, for a whole tree of processes.

No file system without ``flock`` can be mounted here, so its answer is put where the kernel's would come: a library that is
loaded before all others replaces the C library's ``flock`` for files below one folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int flock(int descriptor, int operation) {
    const char *folder = getenv("NO_FLOCK_BELOW"), *code = getenv("NO_FLOCK_ERRNO");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (folder && code && length > 0) {
        path[length] = 0;
        if (!strncmp(path, folder, strlen(folder))) { errno = atoi(code); return -1; }
    }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(descriptor, operation);
}
"""


def without_locks(built: Path, folder: Path, code: int, **more: str) -> dict[str, str]:
    """An environment in which files below ``folder`` cannot be locked: ``flock`` fails with ``code``.

    Args:
        built: a folder for the library.
    """
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler for a library that stands before flock")
    library = built / "noflock.so"
    if not library.exists():
        (built / "noflock.c").write_text(SOURCE)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, built / "noflock.c", "-ldl"], check=True)
    kept = {name: value for name, value in os.environ.items() if name != "ANATOMY_LOCKS"}
    return {**kept, "LD_PRELOAD": str(library), "NO_FLOCK_BELOW": os.path.realpath(folder), "NO_FLOCK_ERRNO": str(code), **more}
