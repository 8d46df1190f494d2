"""What of a user's surroundings reaches the installation and the run: where packages come from, a home, a place for files.

Everything else that steers another Python or another installation is left out, so that the environment holds what the lock names
and a run does what it does on a fresh machine. Standard library alone.
"""

import ast
import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

COMFORT = frozenset(
    {
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUNBUFFERED",
        "PYTHONSTARTUP",
        "PYTHONBREAKPOINT",
        "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED",
        "PYTHON_COLORS",
        "PYTHON_HISTORY",
        "PYTHON_BASIC_REPL",
    }
)
"""Variables of Python that change no import, no warning and no assertion."""

SOURCES = frozenset(
    {
        "index-url",
        "pypi-url",
        "extra-index-url",
        "no-index",
        "find-links",
        "trusted-host",
        "cert",
        "client-cert",
        "proxy",
        "retries",
        "timeout",
        "default-timeout",
        "cache-dir",
        "no-cache-dir",
        "keyring-provider",
        "use-feature",
        "use-deprecated",
    }
)
"""Options of pip that say where packages come from and how they are reached; what is installed, and where, is decided here."""


def without_other_pythons(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that steer Python; text is UTF-8 whatever the locale says."""
    found = {name: value for name, value in environ.items() if not name.startswith("PYTHON") or name in COMFORT}
    found.pop("__PYVENV_LAUNCHER__", None)
    return {**found, "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"}


def with_places(environ: Mapping[str, str], beside: Path) -> dict[str, str]:
    """The variables with a home and a temporary folder that can be written, and a name for a user that the system has none for.

    Args:
        beside: folder that takes a home where the user's is missing or read-only; libraries keep caches in it.
    """
    found = dict(environ)
    for name in ("TMPDIR", "TMP", "TEMP"):
        if name in found and not _writable(found[name]):
            del found[name]
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):  # made by whoever needs them
        if name in found and not (os.path.isabs(found[name]) and _made(found[name]) and _writable(found[name])):
            del found[name]
    home = found.get("HOME") or _registered_home()
    if not _writable(home):
        for name, part in (("HF_TOKEN_PATH", "token"), ("HF_HUB_CACHE", "hub")):  # what is there can still be read
            kept = os.path.join(home, ".cache", "huggingface", part)
            if "HF_HOME" not in found and os.path.isabs(kept) and os.access(kept, os.R_OK):
                found.setdefault(name, kept)
        home = _own_home(beside)
    found["HOME"] = home
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        found.setdefault("USER", f"uid{os.getuid()}")
        found.setdefault("LOGNAME", found["USER"])
    return found


def pip_environment(python: str | Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for pip: its sources as the user's variables and files of configuration set them, and no other option of theirs.

    Args:
        python: that of the environment, whose pip reads the configuration.

    Raises:
        SystemExit: pip cannot read the configuration; its own message is passed on.
    """
    # A variable such as PIP_PYTHON would steer this call too; which file to read is the one that has to stay.
    plain = {name: value for name, value in environ.items() if not name.startswith("PIP_") or name == "PIP_CONFIG_FILE"}
    listed = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, env={**plain, "PIP_USER": "0"}
    )  # user: true in a file would list the user's file alone
    if listed.returncode:
        raise SystemExit(f"bootstrap: pip cannot read its configuration:\n{listed.stderr.strip()}")
    given = {name: value for name, value in environ.items() if value and name.startswith("PIP_") and _option(name) in SOURCES}
    settings = {"PIP_" + option.upper().replace("-", "_"): value for option, value in sources_of(listed.stdout)}
    plain.update({**settings, **given, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return plain


def sources_of(listed: str) -> list[tuple[str, str]]:
    """Sources among what ``pip config list`` prints of files; what is meant for ``install`` comes last, since it wins."""
    found = []
    for line in listed.splitlines():
        name, equals, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if equals and section in ("global", "install") and option in SOURCES:
            found.append((section == "install", option, ast.literal_eval(value)))
    return [(option, value) for _, option, value in sorted(found, key=lambda setting: setting[0])]


def _option(variable: str) -> str:
    return variable.removeprefix("PIP_").lower().replace("_", "-")


def _writable(folder: str) -> bool:
    """Whether a file with content can be made there: permissions say nothing of a full quota, and root passes them all."""
    if not os.path.isabs(folder) or not os.path.isdir(folder):
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError:
        return False
    return True


def _made(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return True


def _registered_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def _own_home(beside: Path) -> str:
    """A folder of this user alone: beside the environments, or among temporary files where nothing can be written there."""
    uid = os.getuid()
    for place in (Path(beside) / f"home-{uid}", Path(tempfile.gettempdir()) / f"alignment-anatomy-home-{uid}"):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if not place.is_symlink() and place.stat().st_uid == uid and _writable(str(place)):
            return str(place)
    return tempfile.mkdtemp(prefix="alignment-anatomy-home-")
