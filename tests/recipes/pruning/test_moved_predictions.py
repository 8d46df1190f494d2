"""How far masks move predictions on benign requests: against a computation one prompt at a time."""

import pandas as pd
import pytest
import torch

from anatomy.config.study import Subject
from anatomy.models.rendering import render
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.stages.evaluating import under_masks
from anatomy.recipes.pruning.stages.moved_predictions import MOVED, unmoved

MODEL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
MATRIX = "model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def config():
    return check_config(
        {"recipes": ["pruning"], "divergence": {"prompts": 3, "tokens": 4}, "evaluation": {"max_new_tokens": 3}}, "-"
    )


def asked(plain):
    things = ("mill", "gate", "honey", "salt")
    rows = [
        {"id": f"{ability}/{n}", "ability": ability, "category": "x", "group": f"g{n}", "split": "select"}
        | {"prompt": f"The {thing} of the {ability}", "response": thing, "plain": plain, "harmful": ability == "refusal"}
        for ability in ("benign", "refusal")
        for n, thing in enumerate(things)
    ]
    return pd.DataFrame(rows)


def masked(tiny, share):
    """The weights of one matrix that come first, as a mask has them: positions in the flattened matrix."""
    weight = tiny.model.get_submodule(MATRIX).weight
    return {MATRIX: torch.arange(round(share * weight.numel()))}


def naive(tiny, harmless, mask):
    """KL of one request, prediction by prediction, with its weights set to zero by hand."""
    weight = tiny.model.get_submodule(MATRIX).weight
    found = []
    for ids, count in zip(harmless.runs, harmless.counts, strict=True):
        with torch.inference_mode():
            before = tiny.model(torch.tensor([ids])).logits[0, -count:].double().log_softmax(-1)
            kept = weight.clone()
            weight.view(-1)[mask[MATRIX]] = 0
            after = tiny.model(torch.tensor([ids])).logits[0, -count:].double().log_softmax(-1)
            weight.copy_(kept)
        found.append((before.exp() * (before - after)).sum(-1))
    return found


@pytest.mark.parametrize("plain", [True, False])
def test_a_mask_moves_what_it_moves_by_hand_and_the_model_is_as_before(tiny, config, plain):
    prompts = asked(plain)
    harmless = unmoved(config, MODEL, tiny, prompts)
    assert list(harmless.rows["id"]) == ["benign/0", "benign/1", "benign/2"]
    assert harmless.forcing.rendering.template != plain
    mask = masked(tiny, 0.3)
    expected = naive(tiny, harmless, mask)
    found = under_masks(
        config, MODEL, tiny, prompts, [("some", mask), ("none", {MATRIX: mask[MATRIX][:0]})], ["x"], print, harmless=harmless
    ).divergences
    assert list(found) == MOVED and set(found["mask"]) == {"some"} and (found["kl"] > 0).all()
    assert found["first_token_kl"].tolist() == pytest.approx([one[0].item() for one in expected], rel=1e-3, abs=1e-6)
    assert found["kl"].tolist() == pytest.approx([one.mean().item() for one in expected], rel=1e-3, abs=1e-6)
    assert harmless.beside(tiny)["kl"].tolist() == pytest.approx([0.0] * 3, abs=1e-9)


def test_the_runs_are_the_unedited_models_own_answers(tiny, config):
    harmless = unmoved(config, MODEL, tiny, asked(True))
    prompts = render(tiny.tokenizer, list(asked(True)["prompt"][:3]), harmless.forcing.rendering)
    for ids, run, count in zip(prompts, harmless.runs, harmless.counts, strict=True):
        assert run[: len(ids)] == ids and 1 <= count <= config.divergence.tokens
        said = tiny.model(torch.tensor([run])).logits[0, -count:].argmax(-1).tolist()
        assert run[len(ids) :] == said[:-1]


def test_without_benign_requests_nothing_is_read(tiny, config):
    assert unmoved(config, MODEL, tiny, asked(True).query("ability != 'benign'")) is None
