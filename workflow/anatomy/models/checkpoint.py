"""A model folder read lazily: configuration, names, single tensors and a digest of what it contains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from safetensors import safe_open

from anatomy.errors import ModelError, parsing
from anatomy.models.configuration import quantisation, refuse_remote_code
from anatomy.progress.counting import counted
from anatomy.store.digest import file_digest
from anatomy.store.json_objects import JsonObject

if TYPE_CHECKING:
    from torch import Tensor

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
DIGESTED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
    "*.safetensors",
)
"""Files that decide what the model computes and how it is spoken to."""

_file_digests: dict[tuple[str, int, int], str] = {}


def cached_digest(path: Path) -> str:
    """SHA-256 of a file; remembered in this process by (path, size, modification time in nanoseconds)."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _file_digests:
        _file_digests[key] = file_digest(path)
    return _file_digests[key]


class TensorEntry(TypedDict):
    """A tensor in a safetensors header: its number format, its shape, and where its bytes begin and end behind the header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Names, dtypes and shapes in a safetensors file, after checking that the file is as long as it says.

    Raises:
        ModelError: the file is not safetensors, or is truncated.
    """
    with parsing(ModelError, str(path), "a complete safetensors file", remedy="copy or download the file again"):
        return _header(path)


def _header(path: Path) -> dict[str, TensorEntry]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        complete = size >= 8 and 0 < length <= size - 8
        try:
            header = json.loads(stream.read(length)) if complete else None
        except ValueError:
            header = None
    if header is None:
        raise ModelError(
            found=f"a file of {size} bytes without a readable safetensors header",
            expected="a complete safetensors file",
            where=str(path),
            remedy="copy or download the file again",
        )
    header.pop("__metadata__", None)
    expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != expected:
        raise ModelError(
            found=f"{size} bytes (truncated or overlong)",
            expected=f"{expected} bytes, as its header says",
            where=str(path),
            remedy="copy or download the file again",
        )
    return header


class Checkpoint:
    """The safetensors of a model folder, single or sharded; tensors are read when asked for.

    Args:
        folder: a Hugging Face model folder.

    Raises:
        ModelError: no folder or config, code of its own, pickled weights only, a missing shard, a truncated file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.json").is_file():
            raise ModelError(
                found="no config.json",
                expected="a Hugging Face model folder",
                where=str(self.folder),
                remedy="give the folder that holds config.json and the weights",
            )
        with parsing(ModelError, str(self.folder / "config.json"), "a JSON object in UTF-8"):
            self.config: JsonObject = dict(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))
            refuse_remote_code(self.config, str(self.folder))
        self._place: dict[str, Path] = {}
        self._entries: dict[str, TensorEntry] = {}
        for path in self._files():
            for name, entry in read_header(path).items():
                self._place[name], self._entries[name] = path, entry
        self._check_index()

    def _files(self) -> list[Path]:
        index = self.folder / "model.safetensors.index.json"
        if index.is_file():
            shards = set(self._weight_map(index).values())
            files = [self.folder / shard for shard in sorted(shards)]
            if absent := [path.name for path in files if not path.is_file()]:
                raise ModelError(
                    found=f"{len(absent)} of {len(files)} shards missing, such as {absent[0]}",
                    expected="every shard that the index names",
                    where=str(index),
                    remedy="copy the missing shards",
                )
            return files
        # Some folders hold the same weights twice under other names (consolidated.safetensors).
        single = self.folder / "model.safetensors"
        files = [single] if single.is_file() else sorted(self.folder.glob("*.safetensors"))
        if files:
            return files
        pickled = sorted(path.name for path in self.folder.iterdir() if path.suffix in PICKLED)
        raise ModelError(
            found=f"pickled weights ({', '.join(pickled)})" if pickled else "no weights",
            expected="safetensors; a pickle can run code when it is opened",
            where=str(self.folder),
            remedy="convert the weights to safetensors first",
        )

    def _weight_map(self, index: Path) -> dict[str, str]:
        """Tensor to shard, as the index says; shards lie in the model's folder and nowhere else."""
        with parsing(ModelError, str(index), "an index with a weight_map from tensors to files"):
            found = {str(name): str(shard) for name, shard in json.loads(index.read_text(encoding="utf-8"))["weight_map"].items()}
        if outside := sorted({shard for shard in found.values() if Path(shard).name != shard}):
            raise ModelError(
                found=f"shard {outside[0]!r}",
                expected="the name of a file in the model's folder",
                where=str(index),
                remedy="download the model again from where it was published",
            )
        return found

    def _check_index(self) -> None:
        index = self.folder / "model.safetensors.index.json"
        if not index.is_file():
            return
        for name, shard in self._weight_map(index).items():
            if self._place.get(name) != self.folder / shard:
                raise ModelError(
                    found=f"tensor {name} not in {shard}",
                    expected="every tensor of the index in its shard",
                    where=str(index),
                    remedy="copy or download the shard again",
                )

    @property
    def text_config(self) -> JsonObject:
        """The language model's part of the configuration (multimodal folders nest it)."""
        return self.config.get("text_config", self.config)

    @property
    def num_layers(self) -> int:
        return self.text_config["num_hidden_layers"]

    @property
    def d_model(self) -> int:
        return self.text_config["hidden_size"]

    @property
    def tied_embeddings(self) -> bool:
        """Whether input and output embeddings are one matrix, so that editing one edits the other."""
        return bool(self.config.get("tie_word_embeddings", False)) or "lm_head.weight" not in self._place

    @property
    def quantisation(self) -> str | None:
        """Name of the method by which the weights were quantised, or None."""
        return quantisation(self.config)

    @property
    def files(self) -> list[Path]:
        """The weight files, each once, without a second copy of the weights under other names."""
        return list(dict.fromkeys(self._place.values()))

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
            return stream.get_tensor(name)

    def digest(self) -> str:
        """SHA-256 over names and contents of weights, configuration, tokenizer and chat template."""
        total = hashlib.sha256()
        files = list(self._digested_files())
        sizes = {path: path.stat().st_size / 1e6 for path in files}
        for path in counted(files, "MB of files read", sum(sizes.values()), sizes.__getitem__):
            total.update(f"{path.name}\0{cached_digest(path)}\n".encode())
        return total.hexdigest()

    def _digested_files(self) -> Iterator[Path]:
        yield from sorted({path for pattern in DIGESTED for path in self.folder.glob(pattern) if path.is_file()})

    def _require(self, name: str) -> None:
        if name not in self._place:
            raise ModelError(
                found=f"no tensor {name}",
                expected=f"one of {len(self._place)} tensors",
                where=str(self.folder),
                remedy="check that the edit or probe was made for this architecture",
            )
