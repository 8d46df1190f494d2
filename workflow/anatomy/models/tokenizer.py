"""The tokenizer of a model folder alone, for jobs that may need no weights."""

from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.imports import without_unused


def require_folder(folder: Path) -> None:
    """Refuse a path that is no folder: transformers would take it for a hub's id, and open what lies in its cache under it.

    Raises:
        ModelError: no folder is there.
    """
    if not Path(folder).is_dir():
        raise ModelError(
            found="no such folder", expected="a folder with a tokenizer's files", where=str(folder), remedy="mend the path"
        )


def load_tokenizer(folder: Path) -> Any:
    """Open a folder's tokenizer with transformers, without code of its own.

    Raises:
        ModelError: no such folder, or transformers cannot open it.
    """
    require_folder(folder)
    with without_unused():
        from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="a tokenizer that transformers opens by itself, without remote code",
            where=str(folder),
            remedy="check the tokenizer's files, or copy them into the folder",
        ) from error
