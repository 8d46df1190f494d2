"""Models of the hub: fetched once by ``prefetch``, then found without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from anatomy.config.data import Data
from anatomy.config.judging import ModelJudge
from anatomy.config.schema import Config
from anatomy.config.subjects import UNPINNED, Model
from anatomy.errors import ConfigError, FetchError, ModelError
from anatomy.store.locks import NO_LOCKS

WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "tokenizer*"]
UNWANTED = ["consolidated*", "original/*", "onnx/*", "*.gguf", "optimizer*", "runs/*"]
"""The same weights under other names, or in formats nothing here opens."""


class HubModel(NamedTuple):
    """A model of the hub at one commit, or unpinned."""

    hub: str
    revision: str

    @classmethod
    def of(cls, source: Model | ModelJudge) -> HubModel:
        """The one that an entry of the configuration names.

        Raises:
            ConfigError: it names a folder.
        """
        if source.hub is None or source.revision is None:
            raise ConfigError(found=f"folder {source.folder}", expected="hub and revision", where="a model of the hub")
        return cls(source.hub, source.revision)

    @property
    def asked(self) -> str:
        """What the hub is asked for."""
        return "main" if self.revision == UNPINNED else self.revision


def hub_models(config: Config) -> list[HubModel]:
    """Every model of the hub that a configuration names, wherever it names it: subjects, judges."""
    return sorted(set(_named(config.model_dump(mode="json"))))


def local_snapshot(model: HubModel, mirror: str | None = None) -> Path:
    """The folder of a model, from the mirror or the hub's own cache; no network is asked.

    Raises:
        ModelError: it is not here, or not whole.
    """
    if mirror is not None and (folder := Path(mirror) / "models" / model.hub / model.revision).is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                model.hub, revision=model.asked, allow_patterns=WANTED, ignore_patterns=UNWANTED, local_files_only=True
            )
        )
    except LocalEntryNotFoundError as error:
        whole = "incomplete" not in type(error).__name__.lower()
        raise ModelError(
            found="not in the local cache" if whole else "only a part of it in the local cache",
            expected="weights and tokenizer",
            where=f"{model.hub}@{model.revision[:12]}",
            remedy="run `snakemake prefetch` with the same configuration where there is a network, or put the folder at "
            f"<mirror>/models/{model.hub}/{model.revision} and set data.mirror",
        ) from None


def fetch_snapshot(model: HubModel, data: Data) -> tuple[Path, str]:
    """Bring a model here; returns its folder and where it came from: there, mirror or network.

    Raises:
        FetchError: gated, not found, or no network; what has arrived is kept and continued next time.
    """
    try:
        folder = local_snapshot(model, data.mirror)
        return folder, "mirror" if data.mirror and folder.is_relative_to(data.mirror) else "there"
    except ModelError as missing:
        if data.offline:
            raise FetchError(found=missing.found, expected=missing.expected, where=missing.where, remedy=missing.remedy) from None
    import httpx2
    from huggingface_hub import snapshot_download

    where = f"{model.hub}@{model.revision[:12]}"
    try:
        folder = Path(
            snapshot_download(
                model.hub,
                revision=model.asked,
                allow_patterns=WANTED,
                ignore_patterns=UNWANTED,
                endpoint=os.environ.get("HF_ENDPOINT"),
                etag_timeout=data.timeout,
            )
        )
    except (OSError, httpx2.HTTPError) as error:
        raise _explained(error, model, where) from None
    if not any(folder.glob("*.safetensors")):
        raise FetchError(
            found="no safetensors in it",
            expected="safetensors; pickled weights can run code when they are opened",
            where=where,
            remedy="name a revision or a copy with safetensors, or convert it into a folder of your own",
        )
    return folder, "network"


def _explained(error: Exception, model: HubModel, where: str) -> FetchError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"https://huggingface.co/{model.hub}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or status in (401, 403):
        return FetchError(
            found="no access: a gated or private model, or none of this name",
            expected="a token that is let in",
            where=where,
            remedy=f"accept the licence at {page} with your account, then set HF_TOKEN to a token of it",
        )
    if isinstance(error, RevisionNotFoundError):
        return FetchError(
            found="no such revision", expected="a commit of the model", where=where, remedy=f"look it up at {page}/commits/main"
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return FetchError(found="no such model", expected="a model of the hub", where=where, remedy=f"check the name at {page}")
    if isinstance(error, OSError) and error.errno in NO_LOCKS:
        return FetchError(
            found=f"{error.strerror}: the hub's cache lies on a disk without file locks",
            where=where,
            expected="a cache on a disk that has them",
            remedy="name a folder on another disk in HF_HOME, for this command and for the run, or use data.mirror",
        )
    return FetchError(
        found=str(error).strip().splitlines()[0][:200],
        expected="the model's files",
        where=where,
        remedy="run the same command again: files that are whole are kept; without a network use data.mirror",
    )


def _named(value: Any) -> Iterator[HubModel]:
    if isinstance(value, dict):
        if isinstance(value.get("hub"), str) and isinstance(value.get("revision"), str):
            yield HubModel(value["hub"], value["revision"])
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
