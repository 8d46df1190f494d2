"""Which Python makes the environment: the one that was called if it fits, else one that fits and is on the PATH.

Read by whatever is called ``python3``, so it holds nothing that an older one cannot run.
"""

import os
import shutil
import subprocess
import sys

VERSIONS = ((3, 11), (3, 12), (3, 13))
"""Those that every package of the CPU lock can be installed for; the first is tried first where another has to be found."""

CUDA = ((3, 11), (3, 12))
"""Those of the CUDA lock: its cuda-python has no wheel for 3.13."""

ASK = "import sys; print(sys.implementation.name, sys.version_info[0], sys.version_info[1], getattr(sys, 'abiflags', ''))"


def fits(name, major, minor, flags="", versions=VERSIONS):
    """Whether wheels exist for it; builds without the global lock (flag t) and other implementations have none."""
    return name == "cpython" and (int(major), int(minor)) in versions and "t" not in flags


def this_fits(versions):
    return fits(sys.implementation.name, sys.version_info[0], sys.version_info[1], getattr(sys, "abiflags", ""), versions)


def another(versions):
    """A program on the PATH that fits; None where there is none. A name alone proves nothing, so each is asked."""
    for major, minor in versions:
        program = shutil.which(f"python{major}.{minor}")
        if program is None:
            continue
        asked = subprocess.Popen([program, "-I", "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        words = asked.communicate()[0].decode("utf-8", "replace").split()
        if asked.returncode == 0 and len(words) in (3, 4) and fits(*words, versions=versions):
            return program
    return None


def go_on_with_one_that_fits(versions=VERSIONS):
    """Start this program again with a Python that fits; returns where the present one does.

    Raises:
        SystemExit: there is none.
    """
    if this_fits(versions):
        return
    program = another(versions)
    if program is None:
        expected = ", ".join("{}.{}".format(*version) for version in versions)
        raise SystemExit(
            f"bootstrap: found Python {sys.version.split()[0]} ({sys.executable}) and no other on the PATH; "
            f"expected CPython {expected}. Install one of them (python3.12 and python3.12-venv on Debian and "
            "Ubuntu), or call this file with its full path."
        )
    os.execv(program, [program, *sys.argv])
