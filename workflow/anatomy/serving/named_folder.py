"""A name of a model's folder that vLLM takes literally."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PLACES = ("/dev/shm", "/tmp", "/var/tmp")


@contextlib.contextmanager
def literal_name(folder: Path) -> Iterator[str]:
    """The folder's path; where that would be read as a pattern, the path of a link to it, which is there inside the context.

    vLLM finds weights by a pattern that begins with the folder, and takes ``[``, ``*`` and ``?`` in it for wildcards: it then
    finds none.

    Raises:
        OSError: the path would be read as a pattern, and so would that of every place for a link.
    """
    if glob.escape(str(folder)) == str(folder):
        yield str(folder)
        return
    place = next((one for one in (tempfile.gettempdir(), *PLACES) if glob.escape(one) == one and os.access(one, os.W_OK)), None)
    with tempfile.TemporaryDirectory(prefix="anatomy-model-", dir=place) as beside:
        link = Path(beside) / "model"
        link.symlink_to(Path(folder).resolve(), target_is_directory=True)
        yield str(link)
