"""Every reader of activations names the place and the prompt of a NaN or an infinity."""

import pytest
import torch
from mean_inputs import mean_writer_inputs

from anatomy.errors import NumericsError
from anatomy.models.activations.means import mean_activations
from anatomy.models.activations.projections import project

HIT = 2
BUDGETS = (1, 10_000)  # one prompt a batch, and all prompts in few batches


@pytest.fixture(params=[torch.nan, torch.inf, -torch.inf], ids=str)
def poisoned(request, tiny, token_ids):
    """The output of block 1 is not finite at the last token of one prompt."""
    marker = token_ids[HIT]

    def poison(_module, args, output):
        ids = seen["ids"]
        for row in range(ids.shape[0]):
            if ids[row, -len(marker) :].tolist() == marker and (ids[row, : -len(marker)] == tiny.pad_token_id).all():
                output = output.clone()
                output[row, -1, 5] = request.param
        return output

    seen = {}
    handles = [
        tiny.model.get_input_embeddings().register_forward_pre_hook(lambda _m, args: seen.update(ids=args[0])),
        tiny.model.model.layers[1].register_forward_hook(poison),
    ]
    yield [f"item-{n}" for n in range(len(token_ids))]
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("budget", BUDGETS)
def test_means(tiny, token_ids, poisoned, budget):
    with pytest.raises(NumericsError, match=f"layer 2, prompt item-{HIT}"):
        mean_activations(tiny, token_ids, [-2, -1], token_budget=budget, ids=poisoned)


@pytest.mark.parametrize("budget", BUDGETS)
def test_projections(tiny, token_ids, poisoned, budget):
    with pytest.raises(NumericsError, match=f"layer 3, prompt item-{HIT}"):
        project(tiny, poisoned, token_ids, torch.ones(64) / 8, position=-1, layers=[1, 3], token_budget=budget)


@pytest.mark.parametrize("budget", BUDGETS)
def test_inputs_of_writers(tiny, token_ids, poisoned, budget):
    with pytest.raises(NumericsError, match=rf"model\.layers\.2\.\S+, prompt item-{HIT}"):
        mean_writer_inputs(tiny, token_ids, position=-1, token_budget=budget, ids=poisoned)


def test_what_is_not_read_may_be_anything(tiny, token_ids, poisoned):
    moments = mean_activations(tiny, token_ids, [-1], token_budget=100, layers=[0, 1], ids=poisoned)
    assert torch.isfinite(moments.mean).all()
