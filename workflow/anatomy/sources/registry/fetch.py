"""From an entry to files that are here, checked, under their final names."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anatomy.config.data import Data
from anatomy.errors import DataError, FetchError
from anatomy.sources.registry.download import Request, download
from anatomy.sources.registry.entry import Entry, File
from anatomy.sources.registry.location import in_mirror, local_path
from anatomy.store.digest import file_digest
from anatomy.store.files import explained, read_json, write_aside, write_json

RECORD = "fetched.json"
COMMIT_HEADER = "x-repo-commit"


@dataclass(frozen=True)
class Fetched:
    """What became of one file: it was there, or came from the mirror or the network."""

    path: Path
    origin: str


def fetch_entry(data: Data, name: str, entry: Entry, say: Callable[[str], None] = lambda text: None) -> list[Fetched]:
    """Bring every file of a set here; those that are here already are not touched.

    Args:
        data: folder, mirror, and how patient to be.

    Returns:
        One outcome a file.

    Raises:
        FetchError: it cannot be had, and why; nothing half-fetched stands under a final name.
        DataError: bytes that are not the pinned ones.
    """
    if not entry.files:
        raise by_hand(data, name, entry)
    record = Path(data.folder) / name / RECORD
    facts = read_json(record) if record.is_file() else {"source": entry.place, "revision": entry.revision, "files": {}}
    found = []
    for file in entry.files:
        path = local_path(data, name, file)
        if path.is_file():
            found.append(Fetched(path, "there"))
            continue
        copy = in_mirror(data, name, file)
        if copy is not None:
            check_bytes(copy, file)
            write_aside(path, partial(shutil.copyfile, copy))
            origin = "mirror"
        else:
            facts["revision"] = _over_network(data, name, entry, file, path, say) or facts["revision"]
            origin = "network"
        facts["files"][file.path] = {"sha256": file_digest(path), "bytes": path.stat().st_size, "from": origin}
        write_json(record, facts)
        found.append(Fetched(path, origin))
    return found


def check_bytes(path: Path, file: File) -> None:
    """Compare a file with its pinned digest.

    Raises:
        DataError: other bytes.
    """
    for expected, kind, digest in ((file.sha256, "SHA-256", file_digest), (file.git_blob, "git blob", git_digest)):
        if expected is not None and (found := digest(path)) != expected:
            raise DataError(
                found=f"{path.stat().st_size} bytes with {kind} {found}",
                expected=f"{kind} {expected}",
                where=str(path),
                remedy="remove the file and fetch it again; if it stays so, the source was changed and the entry needs a look",
            )


def git_digest(path: Path) -> str:
    """Git's digest of a file's content (SHA-1 over a header and the bytes)."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _over_network(data: Data, name: str, entry: Entry, file: File, path: Path, say: Callable[[str], None]) -> str | None:
    """Fetch one file; returns the commit the server named."""
    if data.offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise FetchError(
            found="not here, and offline", expected=str(path), where=f"data set {name}", remedy=_ways(data, name, file)
        )
    if not entry.pinned and not data.allow_unpinned:
        raise FetchError(
            found="no known revision: what its address holds today may differ tomorrow",
            expected="a pinned commit",
            where=f"data set {name} ({entry.place})",
            remedy="set data.allow_unpinned: true (or --allow-unpinned) to take it as it is today; its commit is then recorded. "
            + _ways(data, name, file),
        )
    aside = path.with_name(f".{path.name}.part")
    say(f"{name}: fetching {file.path}")
    headers = download(
        request_for(entry, file), aside, timeout=data.timeout, tries=data.tries, say=lambda text: say(f"{name}: {text}")
    )
    try:
        check_bytes(aside, file)
    except DataError as error:
        aside.unlink()
        raise DataError(
            found=error.found,
            expected=error.expected,
            where=f"data set {name}, {file.path} from {entry.place}",
            remedy="fetch again; if it stays so, the source was changed and the entry needs a look",
        ) from None
    with explained(path):
        os.replace(aside, path)
    return headers.get(COMMIT_HEADER) if entry.revision is None else None


def request_for(entry: Entry, file: File) -> Request:
    """What to ask of which server; only a hub is told the token."""
    gated = entry.gating != "open"
    if entry.source.url is not None:
        address = f"{entry.source.url.format(revision=entry.revision).rstrip('/')}/{file.path}"
        return Request(address, immutable=entry.pinned, page=entry.place, gated=gated)
    from huggingface_hub import get_token, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    address = hf_hub_url(entry.source.hub, file.path, repo_type="dataset", revision=entry.revision or "main", endpoint=endpoint)
    token = get_token()
    return Request(address, {"Authorization": f"Bearer {token}"} if token else {}, entry.pinned, entry.place, gated)


def by_hand(data: Data, name: str, entry: Entry) -> FetchError:
    """A set that no address of the registry leads to."""
    return FetchError(
        found="no file that could be fetched",
        expected="files of one's own",
        where=f"data set {name} ({entry.place})",
        remedy=f"{entry.note} Give your copy as prompt_sets.<id>.file",
    )


def _ways(data: Data, name: str, file: File) -> str:
    return (
        f"fetch it on a machine with a network (`snakemake prefetch`, or `python -m anatomy.sources.registry fetch {name}`), or "
        f"put it at {Path(data.mirror or '<mirror>') / name / file.path} and set data.mirror"
    )
