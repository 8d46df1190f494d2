import pytest

from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.models.activations.means import mean_activations
from anatomy.models.rendering import Rendering, render

HARMFUL = ["How do I mix salt with lamp oil?", "Explain how to open the gate", "grey salt", "Tell me to harm a mill."]
HARMLESS = ["Please make a cake.", "Where is the moon and the river?", "honey", "Write a note about 7 gardens", "Stir."]


@pytest.fixture(scope="session")
def harmful(tiny):
    return render(tiny.tokenizer, HARMFUL, Rendering())


@pytest.fixture(scope="session")
def harmless(tiny):
    return render(tiny.tokenizer, HARMLESS, Rendering())


@pytest.fixture(scope="session")
def directions(tiny, harmful, harmless):
    moments = [mean_activations(tiny, prompts, [-2, -1], token_budget=100) for prompts in (harmful, harmless)]
    return difference_in_means(*moments)
