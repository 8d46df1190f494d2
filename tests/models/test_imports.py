"""Imports that cost as little as they can."""

import gc
import subprocess
import sys

import pytest

from anatomy.models.imports import RARELY, one_collection, without_unused


def ask(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_packages_are_hidden_inside_and_there_afterwards():
    code = (
        "import importlib.util as u\nfrom anatomy.models.imports import without_unused\n"
        "with without_unused():\n    print(u.find_spec('scipy'), u.find_spec('sklearn'))\n"
        "import scipy.stats, sklearn\nprint('both')\n"
        "with without_unused():\n    import scipy.linalg\nprint('still')"
    )
    assert ask(f"import sys; sys.path[:0] = {sys.path!r}\n{code}") == ["None", "None", "both", "still"]


def test_they_are_there_after_a_failed_import():
    before = {name: sys.modules.get(name) for name in ("scipy", "sklearn")}
    with pytest.raises(ModuleNotFoundError), without_unused():
        import no_such_package  # noqa: F401
    assert {name: sys.modules.get(name) for name in ("scipy", "sklearn")} == before


@pytest.mark.parametrize(("often", "expected"), [(700, 1), (RARELY, 0)])
def test_collections_by_hand_are_held_back_and_one_follows(often, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: asked.append(generation))
    before = gc.get_threshold()
    gc.set_threshold(often)
    try:
        with one_collection():
            gc.collect()
            gc.collect()
        assert len(asked) == expected
    finally:
        gc.set_threshold(*before)
