"""The JSON files of a model folder, read so that what is wrong with one is said of that file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from anatomy.errors import ModelError, parsing
from anatomy.store.json_objects import JsonObject

ADAPTER = "adapter_config.json"
"""A folder with this file holds an adapter, for transformers and peft alike."""

MARK = b"\xef\xbb\xbf"
"""A byte order mark, which some editors put in front of UTF-8 and no JSON parser of transformers skips."""

POINTER, LARGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
"""How a pointer of Git LFS begins, and bytes that none has."""


def read_config(folder: Path) -> JsonObject:
    """The folder's config.json.

    Raises:
        ModelError: no such file, no JSON object, or an adapter in the folder.
    """
    refuse_adapter(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(
            found="no config.json",
            expected="a Hugging Face model folder",
            where=str(folder),
            remedy=f"give the folder that holds config.json and the weights{_instead(folder)}",
        )
    return json_of(folder / "config.json")


def _instead(folder: Path) -> str:
    """Where a model may lie that was looked for in this folder: a snapshot of the hub's cache, a checkpoint of a training run."""
    inside = sorted(path.parent for pattern in ("*/config.json", "snapshots/*/config.json") for path in folder.glob(pattern))
    if inside:
        return f": {', or '.join(str(path.relative_to(folder)) for path in inside[:3])} in it{' …' if len(inside) > 3 else ''}"
    if (folder / "params.json").is_file():
        return "; params.json is of Mistral's own format: take the conversion for transformers"
    return ""


def refuse_pointer(path: Path) -> None:
    """Refuse what git leaves in the place of a large file, and a link to a file that is gone.

    Raises:
        ModelError: the file is one of them.
    """
    if path.is_symlink() and not path.exists():
        raise ModelError(
            found=f"a link to {os.readlink(path)}, which is not there",
            expected="a file",
            where=str(path),
            remedy="copy the folder with its links followed (cp -L), or download the model again",
        )
    if path.is_file() and path.stat().st_size < LARGEST_POINTER and path.read_bytes().startswith(POINTER):
        raise ModelError(
            found="a pointer of Git LFS in the place of the file",
            expected="the file itself",
            where=str(path),
            remedy="run `git lfs pull` in the folder, or download the model with the hub's own tools",
        )


def json_of(path: Path) -> JsonObject:
    """A JSON object among a model's files.

    Raises:
        ModelError: something else, or a byte order mark in front of it.
    """
    refuse_pointer(path)
    with parsing(
        ModelError, str(path), "a JSON object in UTF-8", remedy="copy or download the file again, or mend it in a text editor"
    ):
        content = path.read_bytes()
        if content.startswith(MARK):
            raise ModelError(
                found="a byte order mark in front of the JSON",
                expected="UTF-8 without one; transformers reads no other",
                where=str(path),
                remedy="save the file as UTF-8 without BOM",
            )
        found = json.loads(content.decode("utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"a {type(found).__name__}, where an object is expected")
    return found


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder with an adapter: transformers applies it to the weights without a word, and vLLM does not.

    Raises:
        ModelError: the folder holds an adapter, with a model or without.
    """
    path = folder / ADAPTER
    if not path.is_file():
        return
    base = str(json_of(path).get("base_model_name_or_path") or "a model that it does not name")
    if not (folder / "config.json").is_file():
        raise ModelError(
            found=f"an adapter for {base}, and no model",
            expected="a model folder: config.json, weights and tokenizer",
            where=str(path),
            remedy=f"merge the adapter into {base} (peft's merge_and_unload, then save_pretrained) and give the merged folder",
        )
    raise ModelError(
        found=f"an adapter (for {base}) in the folder of a model",
        expected="a model without adapter: transformers would apply it without a word, and vLLM would not",
        where=str(path),
        remedy="to study the model with it, merge it (peft's merge_and_unload, then save_pretrained into another folder); to "
        f"study the model without it, move {ADAPTER} and its weights away, or make a copy of the folder without them",
    )


OWN_WORDS = {
    "gpt2": {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
        "intermediate_size": "n_inner",
    }
}
"""By ``model_type``: what its configuration calls the sizes that all others call as Llama's does."""


def text_config(config: JsonObject) -> JsonObject:
    """The language model's part of a configuration (multimodal folders nest it), with every size under its usual name."""
    nested = config.get("text_config")
    found = nested if isinstance(nested, dict) else config
    own = OWN_WORDS.get(str(found.get("model_type")), {})
    return {**{usual: found[word] for usual, word in own.items() if found.get(word) is not None}, **found} if own else found


def width(config: JsonObject, key: str, where: str) -> int:
    """A size of the language model that its configuration has to state.

    Raises:
        ModelError: it is missing, or no whole number above 0.
    """
    found = text_config(config).get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ModelError(
            found=f"no {key}" if found is None else f"{key} {found!r}",
            expected=f"{key} as a whole number above 0",
            where=f"{where}/config.json",
            remedy="take the configuration that the model was published with; only the names that Llama's has are known here",
        )
    return found
