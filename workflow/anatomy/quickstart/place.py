"""Where a study is written: names that mean something else already, and what a study may replace."""

from __future__ import annotations

from pathlib import Path

from anatomy.errors import ConfigError, StoreError
from anatomy.quickstart.study import HEAD, check_name
from anatomy.recipes.own_folders import taken_names
from anatomy.sources.registry.catalogue import load_catalogue
from anatomy.store.files import write_text

FOLDERS_OF_RESULTS = frozenset({"organism", "models", "export", "training", "report"})
"""Folders of results beside those that no paper may be called by."""

DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))})
"""Names that Windows keeps for devices, whatever follows their first dot; a checkout may be shared with one."""

LONGEST = 64
"""Letters of a name: it is a part of names of files, which have 255."""

MARK = "written-by-quickstart.txt"
"""The file by which a folder of prompt sets is known as ours."""


def study_file(name: str, run: Path, checkout: Path, *, overwrite: bool) -> Path:
    """The study's configuration file, relative to the folder of the run, after checking that nothing of others would be lost.

    Args:
        name: of the study; its configuration is ``config/<name>.yaml``, its prompt sets ``data/<name>``, its results
            ``results/<name>``.
        run: folder of the run, which holds the three.
        checkout: folder whose ``config`` the workflow itself brings.
        overwrite: whether a study of this name may be replaced.

    Raises:
        ConfigError: a name that is none, or one of something else; a folder of the run that is no folder.
        StoreError: something lies in one of the three places that quickstart did not write, or a study that is to stay.
    """
    check_name(name)
    if not run.is_dir():
        raise ConfigError(
            found="a file" if run.exists() else "no such folder",
            expected="a folder, which takes configuration, prompt sets and results",
            where=f"--directory {run}",
            remedy="mend the path, or make the folder",
        )
    meaning = _taken(name, checkout)
    if meaning:
        raise ConfigError(
            found=f"{name!r}, {meaning}",
            expected=f"a name that means nothing yet, of at most {LONGEST} letters",
            where="--name",
            remedy=f"choose another, such as {'my-' + name.strip('.')[:40]}",
        )
    path, data, results = Path("config") / f"{name}.yaml", run / "data" / name, run / "results" / name
    of_ours = _is_a_study(run / path)
    if (run / path).is_symlink() or ((run / path).exists() and not of_ours):
        raise StoreError(
            found="a link to another file" if (run / path).is_symlink() else "a configuration that quickstart did not write",
            expected="no file, or an earlier study of quickstart's",
            where=str(run / path),
            remedy="choose another --name, or move the file away; --overwrite replaces what quickstart wrote and nothing else",
        )
    if of_ours and not overwrite:
        raise StoreError(
            found="a study of this name",
            expected="none, or --overwrite",
            where=str(run / path),
            remedy="choose another --name, or --overwrite it",
        )
    if _holds_anything(data) and not of_ours and not (data / MARK).is_file():
        raise StoreError(
            found="files that quickstart did not write",
            expected="an empty place for the prompt sets",
            where=str(data),
            remedy="choose another --name, or move the folder away",
        )
    if _holds_anything(results) and not of_ours and not (data / MARK).is_file():
        raise StoreError(
            found="results of a study that quickstart knows nothing of",
            expected="an empty place for the results",
            where=str(results),
            remedy="choose another --name, or move the folder away: two studies in one folder of results spoil each other",
        )
    return path


def mark_folder(name: str, run: Path) -> None:
    """Say in the folder of the prompt sets whose it is, before anything is written there."""
    write_text(run / "data" / name / MARK, f"Prompt sets of config/{name}.yaml. `--name {name} --overwrite` replaces them.\n")


def _taken(name: str, checkout: Path) -> str:
    """What a name means already, in words; empty where it is free."""
    if name.endswith("."):
        return "which ends in a dot (Windows drops it)"
    if len(name) > LONGEST:
        return f"which has {len(name)} letters"
    if name.partition(".")[0] in DEVICES:
        return "which names a device on Windows"
    own = {path.stem: path.name for path in (checkout / "config").glob("*") if not _is_a_study(path)}
    if name in own:
        return f"which is called like config/{own[name]} of the checkout"
    if name in taken_names() | FOLDERS_OF_RESULTS:
        return "which is the name of a section, a stage, a target or a folder of results"
    if name in load_catalogue():
        return f"which is the name of a published data set (data/{name})"
    return ""


def _is_a_study(path: Path) -> bool:
    """Whether a configuration file is one that quickstart wrote."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().startswith(HEAD.partition(". ")[0])
    except (OSError, UnicodeDecodeError):
        return False


def _holds_anything(folder: Path) -> bool:
    return folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
