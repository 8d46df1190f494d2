"""What a code fingerprint is made of, kept beside the results: so that a changed one can be explained by function."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from anatomy.store.files import read_json, write_json
from anatomy.store.fingerprint import modules_reached, pinned_versions, require_module
from anatomy.store.parsed_modules import is_text

FOLDER = "code"


def code_parts(entries: Iterable[str], pins: Iterable[str] = ()) -> dict[str, str]:
    """Digest of each definition that a fingerprint counts, and the version of each package.

    Args:
        entries: as for ``fingerprint``.
        pins: as for ``fingerprint``.

    Returns:
        ``module:definition`` (``module:*`` for what stands outside of definitions) to 12 digits, ``package name`` to a
        version.
    """
    found = {f"package {pin}": pinned_versions().get(pin, "absent") for pin in pins}
    for module in modules_reached(entries):
        found.update(parts_of(module))
    return found


@functools.cache
def parts_of(module: str) -> dict[str, str]:
    """Parts of an installed module; stages share most of their modules."""
    return module_parts(module, require_module(module).read_text(encoding="utf-8"))


def module_parts(module: str, source: str) -> dict[str, str]:
    """Digest of each top-level definition of a module, docstrings and layout left out; the rest together as ``*``."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [child for child in node.body if not is_text(child)] or [ast.Pass()]
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {f"{module}:{node.name}": short_digest(ast.dump(node)) for node in tree.body if isinstance(node, definitions)}
    rest = [ast.dump(node) for node in tree.body if not isinstance(node, definitions)]
    return {**found, f"{module}:*": short_digest("\n".join(rest))}


def short_digest(text: str) -> str:
    """Twelve hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def keep_parts(store: Path, known: Mapping[str, Mapping[str, str]]) -> None:
    """Write the parts of fingerprints that are not on record yet, one small file each."""
    for fingerprint, parts in known.items():
        path = Path(store) / FOLDER / f"{fingerprint}.json"
        if not path.exists():
            write_json(path, dict(sorted(parts.items())))


def kept_parts(store: Path) -> dict[str, dict[str, str]]:
    """All parts on record, by fingerprint."""
    return {path.stem: read_json(path) for path in sorted((Path(store) / FOLDER).glob("*.json"))}
