"""A second, edited model beside the first: shared where the edit leaves alone, answering as each alone would."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.chat.decoding import Place, pieces
from anatomy.chat.second import edited_beside
from anatomy.errors import DataError
from anatomy.interventions.edits.head import head_edit
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.stack import under_stack
from anatomy.models.activations.hooks import reading
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers

PROMPT = [1, 20, 30, 40, 50, 60]
GREEDY, SAMPLED = Decoding(12, 0.0), Decoding(12, 1.0, 0.95)


@pytest.fixture(scope="module", params=[False, True], ids=["own head", "tied head"])
def loaded(tmp_path_factory, request):
    return load_model(make_tiny_model(tmp_path_factory.mktemp("tiny"), tied=request.param), torch.float32, "cpu")


@pytest.fixture(scope="module")
def edits(loaded):
    checkpoint, generator = Checkpoint(loaded.folder), torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=generator), dim=0)
    head = torch.randn(checkpoint.shape("model.embed_tokens.weight"), generator=generator)
    spec = {"method": "projection", "strength": 6.0, "sign": 1}
    return [build_edit(spec, checkpoint, direction), head_edit({}, "amplify", checkpoint, head)]


def answer(loaded, decoding, place=None):
    return list(pieces(loaded, PROMPT, decoding, 3, place))


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("number", [0, 1], ids=["low rank", "head"])
def test_each_side_answers_as_it_would_alone(loaded, edits, decoding, number):
    part = edits[number]
    (alone,) = generate_with_transformers(loaded, [PROMPT], decoding, batch_size=1, seeds=[3])
    with under_stack(loaded, [part]):
        (under,) = generate_with_transformers(loaded, [PROMPT], decoding, batch_size=1, seeds=[3])
    assert alone.text != under.text
    with edited_beside(loaded, [part]) as second:
        for model, expected in ((loaded, alone), (second, under), (loaded, alone)):
            found = answer(model, decoding)
            assert "".join(piece.text for piece in found) == expected.text
            assert (len(found), found[-1].end) == (len(expected.token_ids), expected.finish_reason)


def test_only_what_the_edit_changes_is_in_memory_twice(loaded, edits):
    before = {name: tensor.clone() for name, tensor in loaded.model.named_parameters()}
    with edited_beside(loaded, edits[:1]) as second:
        own = dict(second.model.named_parameters())
        apart = {name for name, tensor in loaded.model.named_parameters() if own[name].data_ptr() != tensor.data_ptr()}
        assert apart == set(edits[0].tensors)
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.named_parameters())


def test_each_token_has_the_projection_of_the_state_that_it_was_chosen_from(loaded):
    direction = torch.nn.functional.normalize(torch.arange(loaded.d_model).float(), dim=0)
    place = Place(direction, 2, -1.0, 1.0)
    found = answer(loaded, GREEDY, place)
    (whole,) = generate_with_transformers(loaded, [PROMPT], GREEDY, batch_size=1)
    states = []
    with reading(loaded.model, [2], lambda _, state: states.append(state[0])), torch.no_grad():
        loaded.model(torch.tensor([PROMPT + whole.token_ids[:-1]]))
    expected = states[0][len(PROMPT) - 1 :] @ direction
    assert torch.allclose(torch.tensor([piece.projection for piece in found]), expected, atol=1e-4)
    assert [place.share(value) for value in (-5.0, -1.0, 0.0, 2.0)] == [0.0, 0.0, 0.5, 1.0]


def test_a_message_longer_than_the_context_is_refused(loaded):
    most = loaded.model.config.max_position_embeddings
    with pytest.raises(DataError, match=f"at most {most}"):
        answer(loaded, Decoding(most, 0.0))
