"""A tiny random model of one's own with hand-made prompts, and its extraction."""

import pytest
from pasta_passes import run_passes
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts

from anatomy.stages.model_edits import ModelEdits
from anatomy.store.files import read_json


@pytest.fixture(scope="session")
def card(tiny_folder):
    return make_card(tiny_folder)


@pytest.fixture(scope="session")
def subject():
    return make_subject()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_prompts(folder)
    return folder


@pytest.fixture(scope="session")
def config(results):
    return make_config(results)


@pytest.fixture(scope="session")
def extraction(config, card):
    """Folder of an extraction under both contrasts. Made through the stage itself, model loaded from disk."""
    return run_extraction(config, card, make_subject(("plain", "system")))


@pytest.fixture(scope="session")
def extraction_card(extraction):
    return read_json(extraction / "card.json")


@pytest.fixture(scope="session")
def model_edits(card, extraction):
    return ModelEdits(card, extraction)


@pytest.fixture
def fresh_results(tmp_path):
    """Results of one test's own, with the same prompts."""
    write_prompts(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def passes(tmp_path_factory):
    """PASTA's passes on two tiny models, finished."""
    return run_passes(tmp_path_factory.mktemp("pasta"))
