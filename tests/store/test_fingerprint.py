"""A comment changes nothing; a formula changes exactly what used it."""

import pytest

from anatomy.store import fingerprint as module
from anatomy.store.fingerprint import fingerprint, modules_reached


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "workflow"
    (root / "anatomy").mkdir(parents=True)
    (root / "anatomy" / "__init__.py").write_text("")

    def write(name, text):
        (root / "anatomy" / f"{name}.py").write_text(text)
        module._read.cache_clear()

    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module, "LOCKS", tmp_path / "envs")
    module._read.cache_clear()
    write("formula", '"""Doc."""\ndef scale(x):\n    """Twice."""\n    return 2 * x\n')
    write("stage", "def run(x):\n    from anatomy.formula import scale\n    return scale(x)\n")
    write("other", "def run(x):\n    return x\n")
    yield write
    module._read.cache_clear()


def both():
    return fingerprint(["anatomy.stage"]), fingerprint(["anatomy.other"])


def test_comments_docstrings_and_layout_do_not_count(package):
    before = both()
    package("formula", '"""Other words."""\n\n# why\ndef scale(x):\n    """Doubles."""\n\n    return (2 * x)  # same\n')
    assert both() == before


def test_a_formula_changes_only_the_stage_that_reaches_it(package):
    before = both()
    package("formula", '"""Doc."""\ndef scale(x):\n    return 3 * x\n')
    after = both()
    assert after[0] != before[0] and after[1] == before[1]


def test_imports_inside_functions_are_followed(package):
    assert modules_reached(["anatomy.stage"]) == ["anatomy.formula", "anatomy.stage"]


def test_pinned_versions_count(package, tmp_path):
    (tmp_path / "envs").mkdir()
    lock = tmp_path / "envs" / "cpu.lock"
    lock.write_text("torch==2.13.0\n")
    before = fingerprint(["anatomy.stage"], ["torch"])
    lock.write_text("torch==2.14.0\n")
    assert fingerprint(["anatomy.stage"], ["torch"]) != before
    assert fingerprint(["anatomy.stage"]) == fingerprint(["anatomy.stage"], [])
