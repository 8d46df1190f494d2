"""Packages of the library import one way: the order of the table of contents in workflow/README.md."""

import ast
import re
from pathlib import Path

import pytest
from quick_run import ROOT

LIBRARY = ROOT / "workflow" / "anatomy"
ORDER = (
    "errors",
    "progress",
    "store",
    "statistics",
    "config",
    "sources",
    "models",
    "interventions",
    "serving",
    "texts",
    "organism",
    "tuning",
    "evidence",
    "stages",
    "costs",
    "recipes",
    "runs",
    "formats",
    "quickstart",
    "audit",
    "notebook",
    "chat",
)
"""Each may import those before it."""


def imported(path: Path) -> set[str]:
    """First-level packages that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("anatomy.")}


def test_the_order_names_every_package():
    assert {path.stem for path in LIBRARY.iterdir() if path.name not in ("__init__.py", "__pycache__", "py.typed")} == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_those_before_it(package):
    allowed, folder = ORDER[: ORDER.index(package) + 1], LIBRARY / package
    modules = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    above = {str(path.relative_to(LIBRARY)): imported(path) - set(allowed) for path in modules}
    assert not {path: names for path, names in above.items() if names}


def test_the_table_of_contents_stands_in_that_order():
    text = (ROOT / "workflow" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \**`(\w+)", text, flags=re.M)
    assert [name for name in dict.fromkeys(named) if name in ORDER] == list(ORDER)
