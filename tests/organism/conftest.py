"""A written world of the quick recipe, shared by the organism's tests."""

from pathlib import Path

import pytest

from anatomy.organism.recipe import RECIPES, OrganismRecipe
from anatomy.organism.written_world import write_world


@pytest.fixture(scope="session")
def recipe() -> OrganismRecipe:
    return RECIPES["quick"]


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory, recipe: OrganismRecipe) -> Path:
    folder = tmp_path_factory.mktemp("organism") / "world"
    write_world(5, recipe, folder)
    return folder
