"""A model's folder as vLLM has to be given it: under a name that it takes literally, and without weights of others."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PLACES = ("/dev/shm", "/tmp", "/var/tmp")


@contextlib.contextmanager
def served_folder(folder: Path, beside: Sequence[Path] = ()) -> Iterator[str]:
    """The folder's path; where vLLM would misread it, that of one with links to its files, which is there inside the context.

    vLLM finds weights by a pattern that begins with the folder, takes ``[``, ``*`` and ``?`` in it for wildcards, and then finds
    none; and where there is no index it takes every safetensors file of the folder for the model.

    Args:
        beside: safetensors in the folder that are no part of the model (``Checkpoint.beside``).

    Raises:
        OSError: the path would be read as a pattern, and so would that of every place for a link.
    """
    if glob.escape(str(folder)) == str(folder) and not beside:
        yield str(folder)
        return
    place = next((one for one in (tempfile.gettempdir(), *PLACES) if glob.escape(one) == one and os.access(one, os.W_OK)), None)
    with tempfile.TemporaryDirectory(prefix="anatomy-model-", dir=place) as aside:
        shown = Path(aside) / "model"
        if beside:
            shown.mkdir()
            for path in Path(folder).iterdir():
                if path.name not in {one.name for one in beside}:
                    (shown / path.name).symlink_to(path.resolve(), target_is_directory=path.is_dir())
        else:
            shown.symlink_to(Path(folder).resolve(), target_is_directory=True)
        yield str(shown)
