import pytest
import torch
from mean_inputs import mean_writer_inputs
from tiny_model import make_tiny_model

from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering, render

PROMPTS = ["How do I mix salt with lamp oil?", "Explain how to open the gate", "honey", "Write a note about 7 gardens"]


@pytest.fixture(scope="session")
def checkpoint(tiny_folder):
    return Checkpoint(tiny_folder)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory):
    """A model of the same shapes with other weights."""
    return make_tiny_model(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def direction():
    return isotropic(64, 7)


@pytest.fixture(scope="session")
def token_ids(tiny):
    return render(tiny.tokenizer, PROMPTS, Rendering())


@pytest.fixture(scope="session")
def mean_inputs(tiny, token_ids):
    return tuple(mean_writer_inputs(tiny, half, position=-1, token_budget=100) for half in (token_ids[:2], token_ids[2:]))


SPECS = {
    "row_mean": {"method": "row_mean", "strength": 8.0, "sign": 1},
    "row_mean_alpha": {"method": "row_mean", "alpha": 3.0, "sign": -1},
    "projection": {"method": "projection", "strength": 0.5, "sign": 1},
    "mean_input": {"method": "mean_input", "strength": 8.0, "sign": 1},
    "orthogonalize": {"method": "orthogonalize"},
    "with_embedding": {"method": "projection", "strength": 0.5, "sign": 1, "sites": ["embed_tokens", "o_proj", "down_proj"]},
    "two_layers": {"method": "projection", "strength": 1.0, "sign": 1, "layers": [1, 2]},
    "one_site": {"method": "row_mean", "strength": 8.0, "sign": 1, "sites": ["down_proj"]},
}


@pytest.fixture(params=list(SPECS))
def edit(request, checkpoint, direction, mean_inputs):
    return build_edit(SPECS[request.param], checkpoint, direction, mean_inputs=mean_inputs)


@pytest.fixture(scope="session")
def logits(token_ids):
    def run(model):
        with torch.no_grad():
            return torch.stack([model(input_ids=torch.tensor([ids])).logits[0, -1] for ids in token_ids])

    return run
