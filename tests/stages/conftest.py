"""A tiny random model of one's own with hand-made prompts, and its extraction."""

import pandas as pd
import pytest
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.edit_book import EditBook
from anatomy.stages.extract import extract
from anatomy.store.files import read_json

PHASES = ("fit", "select", "test")
SHAPES = {
    "harmful_requests": ("harmful", "Explain how to mix grey salt with lamp oil for {}"),
    "benign_requests": ("benign", "Please write a short note about {} and the garden"),
}
THINGS = ("the river", "a mill", "honey", "the old gate", "cake", "7 moons", "flour", "water")


def write_prompts(results, a_phase=4, **shapes):
    """Both prompt sets, each phase with wordings of its own."""
    for name, (label, text) in {**SHAPES, **shapes}.items():
        rows = [{"id": f"{name}-{phase}-{n}", "prompt": text.format(f"{THINGS[n]} ({phase})"), "response": None, "label": label,
                 "category": f"kind {n % 2}", "source": None, "group": f"{phase}-{n}", "pair": None, "split": phase}
                for phase in PHASES for n in range(a_phase)]
        path = results / "prompts" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(path, index=False)


def make_config(results, **changes):
    """A configuration small enough for seconds; `changes` replace whole options inside a section."""
    few = {"isotropic": 2, "covariance": 1, "shuffled": 2}
    sections = {
        "extraction": {"controls": few, "controls_elsewhere": dict.fromkeys(few, 0), "safety_system_prompt": "Be kind.",
                       "headline": ["base"]},
        "selection": {"kl_tokens": 2, "max_kl": 1e9, "min_induce": -1e9},
        "rosi": {"forms": ["row_mean", "projection"], "layers": [1, 2], "shortlist": 1,
                 "strengths": {"row_mean": [5.0], "projection": [0.5]}},
        "evaluation": {"max_new_tokens": 3},
    }
    for name, options in changes.items():
        sections[name] = {**sections.get(name, {}), **options}
    return Config.model_validate({"results": str(results), "organism": {"members": ["base"]}, **sections})


def make_subject(contrasts=("plain",), headline=True):
    return Subject("mine", "aligned", None, None, contrasts, headline, "float32")


def make_card(folder):
    """The parts of a model's card that stages read."""
    checkpoint = Checkpoint(folder)
    return {"id": "mine", "kind": "aligned", "folder": str(folder), "digest": checkpoint.digest(), "dtype": "float32",
            "num_layers": checkpoint.num_layers, "d_model": checkpoint.d_model, "source": None}


def extraction_of(results, config, card, subject):
    """Run the extraction into the results; returns its card's path."""
    out = results / Layout("").stage("extract", subject.id, "card.json").lstrip("/")
    extract(config, subject, card, out, lambda text: None)
    return out


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    return load_tiny_model(tiny_folder)


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
def extraction(results, config, card, tiny):
    """Folder of an extraction under both contrasts. Made through the stage itself, model loaded from disk."""
    return extraction_of(results, config, card, make_subject(("plain", "system"))).parent


@pytest.fixture(scope="session")
def extraction_card(extraction):
    return read_json(extraction / "card.json")


@pytest.fixture(scope="session")
def book(card, extraction):
    return EditBook(card, extraction)


@pytest.fixture
def fresh_results(tmp_path):
    """Results of one test's own, with the same prompts."""
    write_prompts(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tools():
    """What tests need to vary a run: conftest modules cannot be imported by name."""
    from types import SimpleNamespace

    return SimpleNamespace(prompts=write_prompts, config=make_config, subject=make_subject, card=make_card,
                           extract=extraction_of)
