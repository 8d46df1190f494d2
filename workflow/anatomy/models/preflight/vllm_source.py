"""Tables in vLLM's source, read without importing it, which would take ten seconds."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def assigned_names(module: str, *tables: str) -> frozenset[str]:
    """Keys of the dictionaries that a module of vLLM assigns to names at its top; empty without vLLM or without such a module.

    Args:
        module: its file, from vLLM's folder.
        tables: the names.
    """
    spec = find_spec("vllm")
    source = Path(spec.origin).parent / module if spec and spec.origin else None
    if source is None or not source.is_file():
        return frozenset()
    found = [
        node.value
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and any(isinstance(target, ast.Name) and target.id in tables for target in node.targets)
    ]
    keys = [key.value for table in found for key in table.keys if isinstance(key, ast.Constant)]
    return frozenset(key for key in keys if isinstance(key, str))
