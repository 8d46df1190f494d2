"""What a module's source says for a code fingerprint, remembered from one process to the next.

Parsing hundreds of modules takes seconds of every start of Snakemake, of each job on a cluster too. What came out of it is kept
in the virtual environment under the digest of the source itself, so that nothing there can be out of date: it is only faster. A
Python that is no virtual environment belongs to somebody else, and nothing is written there.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

Parsed = tuple[str, tuple[str, ...]]
"""The digest of a module without docstrings, comments and layout, and the names that it imports."""

MOST = 4000
"""Entries that the file holds before those that this process did not ask for are dropped."""


class ParsedModules:
    """Parsed modules of this environment; read at the first question, written when the process ends.

    A file that cannot be read or written, or holds something else, costs time and nothing more.
    """

    def __init__(self, folder: Path) -> None:
        parser = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
        self.path = folder / f"parsed-modules-{sys.implementation.cache_tag}-{parser}.json"
        self._kept: dict[str, Parsed] | None = None
        self._asked: dict[str, Parsed] = {}

    def of(self, source: str, module: str) -> Parsed:
        """``parse`` of this source, remembered.

        Raises:
            SyntaxError: the source is no Python.
        """
        if self._kept is None:
            self._kept = self._read()
        key = hashlib.sha256(f"{module}\n{source}".encode()).hexdigest()
        if key not in self._asked:
            self._asked[key] = self._kept.get(key) or parse(source, module)
        return self._asked[key]

    def keep(self) -> None:
        """Write what was asked for, where any of it is new."""
        if not set(self._asked) - set(self._kept or {}):
            return
        kept = self._read() | self._asked
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            aside.write_text(json.dumps(self._asked if len(kept) > MOST else kept), encoding="utf-8")
            os.replace(aside, self.path)
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)

    def _read(self) -> dict[str, Parsed]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return {key: (str(digest), tuple(map(str, imports))) for key, (digest, imports) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def parse(source: str, module: str) -> Parsed:
    """Digest of a module's syntax tree without docstrings and positions, and the full names of what it imports.

    Raises:
        SyntaxError: the source is no Python.
    """
    tree = ast.parse(source)
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            named = ".".join([*above, *filter(None, [node.module])])
            imports += [named, *(f"{named}.{alias.name}" for alias in node.names)]
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [child for child in node.body if not is_text(child)] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(sorted(set(imports)))


def is_text(node: ast.AST) -> bool:
    """A docstring, of a definition or of an attribute: a bare string statement never computes anything."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


PARSED = ParsedModules(Path(sys.prefix))
if sys.prefix != sys.base_prefix:
    atexit.register(PARSED.keep)
