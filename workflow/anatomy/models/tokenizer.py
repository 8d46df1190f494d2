"""The tokenizer of a model folder alone, for jobs that may need no weights."""

from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.config_file import json_of, refuse_pointer
from anatomy.models.imports import without_unused

STATED = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that have to be JSON objects; transformers names none of them in what it says of one that is not."""

WHOLE = ("tokenizer.json", "tekken.json", "vocab.json", "vocab.txt", "vocab.bpe", "*.model", "*.tiktoken", "*.vocab")
"""Files of which a tokenizer needs one."""


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
    except Exception as error:  # what parses tokenizer.json, in Rust, raises nothing more special
        raise _explained(Path(folder), error) from error


def _explained(folder: Path, error: Exception) -> ModelError:
    """What is wrong with a tokenizer that transformers cannot open, in words of the folder's files."""
    from huggingface_hub.errors import StrictDataclassError

    files = sorted({path.name for pattern in WHOLE for path in folder.glob(pattern)})
    expected = "a tokenizer that transformers opens by itself, without remote code"
    if not files:
        return ModelError(
            found="no tokenizer",
            expected=expected,
            where=str(folder),
            remedy="copy tokenizer.json and tokenizer_config.json from where the model was published, or from the model that it "
            "was trained from",
        )
    if isinstance(error, StrictDataclassError):  # transformers opens the configuration to find the tokenizer's class
        return ModelError(
            found=" ".join(str(error).split()),
            expected="a configuration that transformers accepts",
            where=str(folder / "config.json"),
            remedy="take the configuration that the model was published with",
        )
    try:
        for name in files:
            refuse_pointer(folder / name)
        for name in STATED:
            if (folder / name).is_file():
                json_of(folder / name)
    except ModelError as problem:
        return problem
    return ModelError(
        found=f"{type(error).__name__}: {error}",
        expected=expected,
        where=f"{folder} ({', '.join(files)})",
        remedy="check the tokenizer's files, or copy them into the folder again"
        if (folder / "tokenizer.json").is_file()
        else "there is no tokenizer.json: open the tokenizer where its own package is installed (sentencepiece, tiktoken), call "
        "save_pretrained, and copy the tokenizer.json that it writes",
    )
