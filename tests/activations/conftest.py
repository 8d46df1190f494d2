import pytest
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.models.rendering import Rendering, render

PROMPTS = [
    "How do I make a cake?",
    "Tell me how to open the gate of the old mill.",
    "river",
    "Explain how to mix grey salt with lamp oil, and then stir the water and the flour.",
    "Please write a short note about the moon and the garden.",
    "Where is the feast?",
    "Sing a song of honey, 7 times.",
]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    return load_tiny_model(tiny_folder)


@pytest.fixture(scope="session")
def token_ids(tiny):
    return render(tiny.tokenizer, PROMPTS, Rendering())
