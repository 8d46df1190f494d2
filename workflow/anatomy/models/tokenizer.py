"""The tokenizer of a model folder alone, for jobs that may need no weights."""

from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.imports import without_sklearn


def load_tokenizer(folder: Path) -> Any:
    """Open a folder's tokenizer with transformers, without code of its own.

    Raises:
        ModelError: transformers cannot open it.
    """
    with without_sklearn():
        from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(found=f"{type(error).__name__}: {error}", expected="a tokenizer that transformers opens",
                         where=str(folder), remedy="check the tokenizer's files") from error
