"""What is read from every class: means at template positions, scores of candidate directions, inputs of writers."""

import torch
from architecture_models import chat_prompts, model_of
from architecture_support import EXTRACTED, SCORED, extraction_error, scoring_error
from mean_inputs import mean_writer_inputs

from anatomy.models.writers import residual_writers, sites_with_inputs


def test_means_are_those_of_plain_hidden_states(architecture):
    positions, prompts = chat_prompts(architecture)
    assert len(positions) > 3 and len({len(ids) for ids in prompts}) > 2
    assert extraction_error(architecture) <= EXTRACTED


def test_scores_are_those_of_single_interventions(architecture):
    assert scoring_error(architecture) <= SCORED


def test_mean_inputs_are_those_of_the_matrices_that_can_be_edited(architecture):
    loaded, (_, prompts) = model_of(architecture), chat_prompts(architecture)
    found = mean_writer_inputs(loaded, prompts, position=-1, token_budget=80)
    writers = residual_writers(loaded.model, sites=sites_with_inputs(loaded.model))
    assert list(found) == [writer.name for writer in writers]
    name, seen = writers[-1].name, []
    handle = loaded.model.get_submodule(name).register_forward_pre_hook(lambda _m, args: seen.append(args[0][0, -1]))
    with torch.no_grad():
        for ids in prompts:
            loaded.model(torch.tensor([ids]))
    handle.remove()
    torch.testing.assert_close(found[name], torch.stack(seen).double().mean(0), rtol=1e-4, atol=1e-5)
