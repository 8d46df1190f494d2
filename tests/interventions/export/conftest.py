import pytest
from copied_models import DTYPES, recast
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.interventions.directions.controls import isotropic


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), layers=2)


@pytest.fixture(scope="session")
def tied_folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tied"), layers=2, tied=True)


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    return load_tiny_model(tiny_folder)


@pytest.fixture(
    scope="session", params=[(dtype, shards) for dtype in DTYPES for shards in (1, 3)], ids=lambda case: f"{case[0]}-{case[1]}"
)
def any_folder(request, tiny_folder, tmp_path_factory):
    """The tiny model in each dtype, in one file and in three shards."""
    dtype, shards = request.param
    return recast(tiny_folder, tmp_path_factory.mktemp("any") / "model", DTYPES[dtype], shards)


@pytest.fixture(scope="session")
def direction():
    return isotropic(64, 7)
