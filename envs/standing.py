"""Where a command is called from: paths on its line are relative to that folder, whatever folder the work is done in.

Standard library alone.
"""

import os
import shlex
import sys
from pathlib import Path

VARIABLE = "ANATOMY_STANDING"
"""Names the caller's folder to the Snakefile, which Snakemake reads in the folder of the run."""

WRITTEN = ("--report", "--archive")
"""Options of Snakemake whose file it would write in the folder of the run."""


def where() -> Path:
    """The folder that the caller stands in.

    Raises:
        SystemExit: it has been deleted.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise SystemExit(
            f"bootstrap: the folder that you stand in is gone ({error.strerror}); it was deleted, or made "
            "anew. Go to one that is there (cd), and call again."
        ) from None


def placed(command: list[str], here: Path, root: Path) -> tuple[list[str], dict[str, str]]:
    """A command that means the same as it does in the checkout, with its paths left to where the caller stands.

    Snakemake gets the checkout's Snakefile, and works in the checkout; what the caller says of either comes later on the line
    and wins. Pytest gets the checkout's settings, and its tests where no path is named.

    Returns:
        its words, and variables to be set beside.
    """
    words, more = list(command), {}
    start = 3 if words[:2] == ["python", "-m"] else 1
    name = words[start - 1] if len(words) >= start else ""
    if start == 3 and name.startswith(("anatomy", "snakemake")):
        words.insert(1, "-P")  # a file of the caller's folder is not taken for a module of that name
        start += 1
    if name == "snakemake":
        more["ANATOMY_COMMAND"] = shlex.join(["python3", *sys.argv])
    if os.path.samefile(here, root):
        return words, more
    if name == "snakemake":
        words[start:] = _written_here(words[start:], here)
        words[start:start] = ["--snakefile", str(root / "Snakefile"), "--directory", str(root)]
        more[VARIABLE] = str(here)
    elif name == "pytest":
        named = any(_is_path(word, here) for word in words[start:])
        words[start:start] = ["-c", str(root / "pyproject.toml"), "--rootdir", str(root)]
        words += [] if named else [str(root / "tests")]
    return words, more


def _written_here(words: list[str], here: Path) -> list[str]:
    """The words with the files of such options absolute."""
    found = []
    for before, word in zip(["", *words], words, strict=False):
        option, equals, file = word.partition("=")
        if option in WRITTEN and equals:
            word = f"{option}={here / file}"
        elif before in WRITTEN and not word.startswith("-"):
            word = str(here / word)
        found.append(word)
    return found


def _is_path(word: str, here: Path) -> bool:
    """Whether a word of a command line names a file, there or mistyped."""
    file = word.partition("::")[0]
    return not word.startswith("-") and (file.endswith(".py") or "/" in file or (here / file).exists())
