"""What crosses a module's border has a type that says what it is: no dictionary of anything stands in a public signature."""

import ast
import re

import pytest
from quick_run import ROOT

LIBRARY = ROOT / "workflow" / "anatomy"
OPEN = re.compile(r"\bdict\[str, (Any|object|dict)\]|\b(dict|Mapping)\b(?!\[)")
"""A dictionary whose fields nobody names. Where they are open in fact, ``anatomy.store.json_objects.JsonObject`` says so."""

LIBRARIES = {
    "serving/benchmarks/tasks.py": "a method of lm-eval's that is overridden",
    "evidence/figures/theme.py": "keyword arguments of Altair's",
}
NOT_YET = (
    "quickstart",
    "recipes/pasta/variants.py",
    "recipes/rosi/reading.py",
    "recipes/rosi/stages",
)
"""Modules that are still to be typed; a module that is leaves this list."""


def annotations(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and text of every annotation that a public function, method or class of a module shows to others."""
    found = []

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
                shown = [one.annotation for one in every if one is not None and one.annotation] + [node.returns]
                found.extend((node.lineno, ast.unparse(one)) for one in shown if one is not None)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                visit(node.body)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
                found.append((node.lineno, ast.unparse(node.annotation)))

    visit(tree.body)
    return found


def untyped(package: str) -> list[str]:
    """Places of a package where a public annotation is a dictionary of anything."""
    folder = LIBRARY / package
    modules = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return [
        f"{path.relative_to(LIBRARY)}:{line}: {text}"
        for path in modules
        for line, text in annotations(ast.parse(path.read_text(encoding="utf-8")))
        if OPEN.search(text)
    ]


@pytest.mark.parametrize("package", sorted(path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or path.is_dir()))
def test_no_dictionary_of_anything_crosses_a_border(package):
    assert [place for place in untyped(package) if not place.startswith((*LIBRARIES, *NOT_YET))] == []


@pytest.mark.parametrize("place", [*LIBRARIES, *NOT_YET])
def test_exceptions_are_needed(place):
    assert untyped(place.removesuffix(".py")) != []
