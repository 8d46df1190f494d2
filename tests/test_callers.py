"""The library holds no definition that only tests name."""

import ast
import re
from collections import Counter

from quick_run import ROOT

KEPT = {
    "Replacement": "an edit that is not low rank, for export (workflow/README.md)",
    "edited_tensors": "what an edit leaves of each matrix, for whoever makes one",
    "read_peft_adapter": "how a paper takes an adapter that peft trained",
    "NOT_PINNED": "read off the syntax tree (tests/stages/test_pins.py)",
}
"""What a reader of the library calls, though no part of the workflow does."""
LIBRARY = ROOT / "workflow" / "anatomy"


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            kept = [child for child in node.body if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)


def defined(tree):
    """Public names that a module defines at its top; decorated ones are registered where they stand."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            plain = [one for one in node.decorator_list if "register" in ast.unparse(one)] == []
            yield from [node.name] if plain else []
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def only_in_tests():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "workflow").rglob("*.py"))}
    definitions = Counter(name for path, tree in trees.items() if LIBRARY in path.parents for name in set(defined(tree)))
    words = Counter()
    for tree in trees.values():
        words.update(re.findall(r"\w+", without_docstrings(tree)))
    for path in (ROOT / "Snakefile", *(ROOT / "workflow" / "rules").rglob("*.smk"), *(ROOT / "envs").glob("*.py")):
        words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return {name for name, times in definitions.items() if words[name] <= times and not name.startswith("_")}


def test_everything_in_the_library_is_called_by_it_or_kept_for_a_reason():
    found = only_in_tests()
    assert not found - set(KEPT), "call it, remove it, or move it to the tests that use it"
    assert not set(KEPT) - found, "these are called now: no reason is needed"
