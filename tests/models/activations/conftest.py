import pytest

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
def token_ids(tiny):
    return render(tiny.tokenizer, PROMPTS, Rendering())
