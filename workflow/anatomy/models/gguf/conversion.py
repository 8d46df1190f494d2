"""A GGUF file becomes an ordinary model folder, once, and is proven before anybody else sees it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import torch

from anatomy.errors import ModelError
from anatomy.models.gguf.configuration import model_config
from anatomy.models.gguf.header import Header, read_header
from anatomy.models.gguf.plain_text import PlainText, plain_text, require_plain_text
from anatomy.models.gguf.refusals import require_convertible
from anatomy.models.gguf.tokenizer import (
    adds_bos,
    ending_tokens,
    load_file_tokenizer,
    require_round_trip,
    save_tokenizer,
)
from anatomy.models.gguf.weights import quantisations, require_same_weights, rotary_factors, write_weights
from anatomy.models.loading import load_model
from anatomy.models.machine.formats import resolved
from anatomy.models.tokenizer import load_tokenizer
from anatomy.store.digest import file_digest
from anatomy.store.files import bring_to_disk, explained

UNQUANTISED = ("F32", "F16", "BF16", "F64")


class Conversion(TypedDict):
    """What is known of a converted file.

    Attributes:
        file: its name.
        sha256: of its bytes.
        name, licence: as it states them.
        architecture: as it calls it.
        parameters: weights in it.
        quantisation: tensors stored in each type.
        dtype: number format of the folder.
        adds_bos: whether texts begin with BOS.
        plain_text: how it predicts the bundled paragraph.
        versions: of the packages that read it.
    """

    file: str
    sha256: str
    name: str | None
    licence: str | None
    architecture: str
    parameters: int
    quantisation: dict[str, int]
    dtype: str
    adds_bos: bool
    plain_text: PlainText
    versions: dict[str, str]


def convert(
    path: Path,
    folder: Path,
    *,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    sha256: str | None = None,
    english: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Conversion:
    """Convert a file into ``folder``, which appears whole and proven or not at all.

    Args:
        dtype: number format of the folder's weights. Dequantised weights are exact in float32 alone; a folder in another format
            holds what loading the exact one in that format would give.
        device: where it predicts the paragraph.
        sha256: what the file's digest has to be.
        english: whether it has to predict it; false for a model that was not taught English.

    Raises:
        ModelError: a file that cannot be converted (``require_convertible``), other bytes than ``sha256`` says, or a model that
            does not come back from its tokenizer, or does not predict plain text.
        StoreError: no room for it.
    """
    header = read_header(path)
    require_convertible(header)
    config = model_config(header, rotary_factors(header))
    require_same_weights(header, config)
    digest = checked_digest(path, sha256)
    _require_room(header, folder, dtype)
    aside = folder.with_name(f".{folder.name}.partial")  # what a killed job left there goes first
    with explained(folder):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            say("reading the vocabulary")
            save_tokenizer(load_file_tokenizer(header), aside)
            require_round_trip(load_tokenizer_of(aside, config), header)
            say(f"dequantising {header.parameters / 1e6:,.0f} million weights")
            write_weights(header, config, dtype, aside)
            _write_settings(header, config, dtype, aside)
            loaded = load_model(aside, getattr(torch, resolved("auto")), device)
            found = plain_text(loaded, begins=adds_bos(header))
            say(f"plain English: {found['bits']:.2f} bits a byte, perplexity {found['perplexity']:.1f} a token")
            if english:
                require_plain_text(found, header.path, begins=adds_bos(header))
            for file in aside.iterdir():
                file.chmod((aside / "config.json").stat().st_mode)  # safetensors writes for its owner alone
                bring_to_disk(file)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return {
        "file": path.name,
        "sha256": digest,
        "name": header.values.get("general.name"),
        "licence": header.values.get("general.license"),
        "architecture": header.architecture,
        "parameters": header.parameters,
        "quantisation": quantisations(header),
        "dtype": str(dtype).removeprefix("torch."),
        "adds_bos": adds_bos(header),
        "plain_text": found,
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that read a file."""
    return {name: version(name) for name in ("gguf", "transformers", "tokenizers")}


def in_words(conversion: Conversion) -> str:
    """What has to stand beside every number of such a model."""
    kinds = [kind for kind in conversion["quantisation"] if kind not in UNQUANTISED]
    return f"dequantised from {', '.join(kinds)}" if kinds else f"from a GGUF file in {', '.join(conversion['quantisation'])}"


def checked_digest(path: Path, sha256: str | None) -> str:
    """SHA-256 of a file.

    Raises:
        ModelError: it is not the expected one.
    """
    found = file_digest(path)
    if sha256 is not None and found != sha256:
        raise ModelError(
            found=f"SHA-256 {found}",
            expected=sha256,
            where=str(path),
            remedy="give the file that the configuration means, or its own sha256",
        )
    return found


def load_tokenizer_of(folder: Path, config: Any) -> Any:
    """The tokenizer as later readers open it: with the model's configuration beside it, which may choose its class."""
    config.save_pretrained(folder)
    return load_tokenizer(folder)


def _write_settings(header: Header, config: Any, dtype: torch.dtype, folder: Path) -> None:
    config.dtype = dtype
    config.save_pretrained(folder)
    marks = {"bos_token_id": config.bos_token_id, "pad_token_id": config.pad_token_id, "eos_token_id": ending_tokens(header)}
    settings = {name: value for name, value in marks.items() if value not in (None, [])}
    (folder / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _require_room(header: Header, folder: Path, dtype: torch.dtype) -> None:
    place = next(parent for parent in [folder, *folder.absolute().parents] if parent.is_dir())
    needed, free = header.parameters * dtype.itemsize, shutil.disk_usage(place).free
    if needed > free:
        raise ModelError(
            found=f"{free / 1e9:.1f} GB free",
            expected=f"{needed / 1e9:.1f} GB for {header.parameters / 1e6:,.0f} million weights in {dtype}",
            where=str(place),
            remedy="make room, set results to a folder on a larger disk, or give the model a dtype of 16 bits",
        )
