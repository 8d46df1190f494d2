"""A model folder read lazily: configuration, names, single tensors and a digest of what it contains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from anatomy.errors import ModelError
from anatomy.models.config_file import read_config, text_config, width
from anatomy.models.configuration import quantisation, refuse_remote_code
from anatomy.models.tensor_names import loaded_name
from anatomy.models.weight_files import weight_files
from anatomy.models.weight_header import TensorEntry
from anatomy.progress.counting import counted
from anatomy.store.digest import file_digest
from anatomy.store.json_objects import JsonObject

if TYPE_CHECKING:
    from torch import Tensor

DIGESTED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
    "*.model",
    "*.tiktoken",
)
"""Files beside the weights that decide what the model computes and how it is spoken to."""

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
"""Tensors of the token embedding, as most models call it (``Checkpoint.embedding``), and of the output head."""

KNOWN_EMBEDDINGS = (
    EMBEDDING,
    "gpt_neox.embed_in.weight",
    "transformer.wte.weight",
    "model.language_model.embed_tokens.weight",
)
"""Names of token embeddings whose models part them from their heads where the configuration says so."""

_file_digests: dict[tuple[str, int, int], str] = {}


def cached_digest(path: Path) -> str:
    """SHA-256 of a file; remembered in this process by (path, size, modification time in nanoseconds)."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _file_digests:
        _file_digests[key] = file_digest(path)
    return _file_digests[key]


class Checkpoint:
    """The safetensors of a model folder, single or sharded; tensors are read when asked for.

    Names are those of the model in memory, whatever the file calls them (``stored_name``).

    Args:
        folder: a Hugging Face model folder.

    Raises:
        ModelError: no folder or config, an adapter, code of its own, or weights that transformers and vLLM would not both take
            as they are (``weight_files``).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.config = read_config(self.folder)
        refuse_remote_code(self.config, str(self.folder))
        self._weights = weight_files(self.folder, self.config.get("transformers_weights"))
        self._place: dict[str, Path] = {}
        self._entries: dict[str, TensorEntry] = {}
        self._stored: dict[str, str] = {}
        for path, header in self._weights.headers.items():
            for stored, entry in header.items():
                name = loaded_name(self.config.get("model_type", ""), stored)
                self._refuse_twice(name, stored)
                self._place[name], self._entries[name], self._stored[name] = path, entry, stored

    @property
    def text_config(self) -> JsonObject:
        """The language model's part of the configuration (multimodal folders nest it)."""
        return text_config(self.config)

    @property
    def num_layers(self) -> int:
        return width(self.config, "num_hidden_layers", str(self.folder))

    @property
    def d_model(self) -> int:
        return width(self.config, "hidden_size", str(self.folder))

    @property
    def tied_embeddings(self) -> bool:
        """Whether input and output embeddings are one matrix, so that editing one edits the other."""
        return bool(self.config.get("tie_word_embeddings", False)) or "lm_head.weight" not in self._place

    @property
    def embedding(self) -> str:
        """Name of the token embedding; ``EMBEDDING`` where it has no name that is known."""
        return next((name for name in KNOWN_EMBEDDINGS if name in self._place), EMBEDDING)

    def source(self, name: str) -> str:
        """Name of the tensor that a matrix begins as: the embedding for a head that is tied to it, else the matrix itself."""
        return self.embedding if name == HEAD and self.tied_embeddings and self.embedding in self._place else name

    def stored_name(self, name: str) -> str:
        """What the file calls a tensor; the name itself for one that no file has."""
        return self._stored.get(name, name)

    @property
    def quantisation(self) -> str | None:
        """Name of the method by which the weights were quantised, or None."""
        return quantisation(self.config)

    @property
    def files(self) -> list[Path]:
        """The weight files, each once, without a second copy of the weights under other names."""
        return list(self._weights.headers)

    @property
    def beside(self) -> tuple[Path, ...]:
        """Safetensors in the folder that are no part of the model: an optimizer's, another copy under another name."""
        return self._weights.beside

    def names(self) -> list[str]:
        return sorted(self._place)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, from the header alone."""
        self._require(name)
        return tuple(self._entries[name]["shape"])

    def dtype(self, name: str) -> str:
        """Stored dtype of a tensor as safetensors names it (``F32``, ``BF16``, ``U8``), from the header alone."""
        self._require(name)
        return self._entries[name]["dtype"]

    def stored_bytes(self, name: str) -> int:
        """Bytes of a tensor in its file, from the header alone."""
        self._require(name)
        begin, end = self._entries[name]["data_offsets"]
        return end - begin

    def tensor(self, name: str) -> Tensor:
        """One tensor, in its stored dtype, on the CPU."""
        self._require(name)
        with safe_open(self._place[name], framework="pt") as stream:
            return stream.get_tensor(self._stored[name])

    def digest(self) -> str:
        """SHA-256 over names and contents of weights, configuration, tokenizer and chat template."""
        total = hashlib.sha256()
        files = list(self._digested_files())
        sizes = {path: path.stat().st_size / 1e6 for path in files}
        for path in counted(files, "MB of files read", sum(sizes.values()), sizes.__getitem__):
            total.update(f"{path.name}\0{cached_digest(path)}\n".encode())
        return total.hexdigest()

    def _digested_files(self) -> Iterator[Path]:
        beside_weights = {path for pattern in DIGESTED for path in self.folder.glob(pattern) if path.is_file()}
        yield from sorted(beside_weights | set(self.files))

    def _refuse_twice(self, name: str, stored: str) -> None:
        if name in self._stored:
            raise ModelError(
                found=f"{self._stored[name]} and {stored}, which are one tensor ({name}) of the model",
                expected="each tensor once",
                where=str(self.folder),
                remedy="take one of the two out of the weights",
            )

    def _require(self, name: str) -> None:
        if name not in self._place:
            raise ModelError(
                found=f"no tensor {name}",
                expected=f"one of {len(self._place)} tensors",
                where=str(self.folder),
                remedy="check that the edit or probe was made for this architecture",
            )
