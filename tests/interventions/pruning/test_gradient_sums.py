"""Sums of gradients equal those of plain autograd in several architectures, leave nothing behind, and survive a kill."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from made_architecture import make_tiny_architecture
from safetensors import SafetensorError, safe_open
from tiny_architectures import ARCHITECTURES
from tiny_model import make_tiny_model

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.pruning.gradient_sums import Saving, gradient_sums, response_losses
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.interventions.pruning.scores import absolute_score
from anatomy.models.activations.answers import Forced
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

DENSE = [one for one in ARCHITECTURES if not one.experts and one.model_type != "gpt2"]
"""GPT-2 stores its matrices transposed, and its scores are refused."""
MATRICES = {"phi3": 4, "gpt_neox": 4, "starcoder2": 6, "phi": 6}
"""Of a block, where they are not seven: some are packed, and some MLPs have no gate."""


def texts(number, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        Forced(*(torch.randint(10, 300, (length,), generator=draw).tolist() for length in (5 + k % 3, 2 + k % 4)))
        for k in range(number)
    ]


def opened(folder):
    loaded = load_model(folder, torch.float32, "cpu")
    return loaded, scored_matrices(loaded, Checkpoint(folder))


def plain_autograd(loaded, matrices, examples):
    """Each example's gradients by a loss written out here: log-probabilities of the response's tokens alone."""
    found = []
    for one in examples:
        ids = torch.tensor([[*one.prompt, *one.answer]])
        with torch.enable_grad():
            for weight in matrices.values():
                weight.requires_grad_(True)
            logs = loaded.model(input_ids=ids).logits[0].log_softmax(-1)
            start = len(one.prompt)
            said = [logs[start + k - 1, token] for k, token in enumerate(one.answer)]
            gradients = torch.autograd.grad(-torch.stack(said).mean(), list(matrices.values()))
        found.append(dict(zip(matrices, gradients, strict=True)))
    for weight in matrices.values():
        weight.requires_grad_(False)
    return found


@pytest.mark.parametrize("architecture", DENSE, ids=lambda one: one.slug)
def test_sums_are_those_of_plain_autograd(architecture, tmp_path):
    loaded, matrices = opened(make_tiny_architecture(architecture, tmp_path))
    assert len(matrices) == MATRICES.get(architecture.model_type, 7) * loaded.num_layers
    examples = texts(3)
    each = plain_autograd(loaded, matrices, examples)
    for absolute in (False, True):
        found = gradient_sums(loaded, matrices, examples, ["a", "b", "c"], absolute=absolute)
        for name in matrices:
            naive = sum(one[name].abs() if absolute else one[name] for one in each)
            assert float((found.sums[name] - naive).norm() / naive.norm()) < 1e-4, name
    torch.testing.assert_close(torch.tensor(found.losses), response_losses(loaded, examples))
    assert all(one.grad is None and not one.requires_grad for one in loaded.model.parameters())


def test_activations_that_are_computed_again_give_the_same_sums(tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path))
    kept, again = (
        gradient_sums(loaded, matrices, texts(4), list("abcd"), absolute=True, recompute=recompute) for recompute in (False, True)
    )
    assert all(torch.equal(kept.sums[name], again.sums[name]) for name in matrices)
    assert not any(module.training for module in loaded.model.modules())


def test_a_gradient_that_is_not_finite_names_matrix_and_example(tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path))
    examples = texts(3)
    worst = examples[1].prompt[0]
    examples = [examples[1], *(Forced([t for t in one.prompt if t != worst], one.answer) for one in (examples[0], examples[2]))]
    loaded.model.get_input_embeddings().weight.data[worst] = float("nan")
    with pytest.raises(NumericsError, match=r"(?s)gradient of model\.layers\.3\..*example item-2"):
        gradient_sums(loaded, matrices, examples[::-1], ["item-0", "item-1", "item-2"], absolute=False)
    assert all(one.grad is None for one in loaded.model.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_named_where_it_is_not_where_gradients_begin(value, tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path))
    matrices["model.layers.1.mlp.up_proj"].data[3, 4] = value
    with pytest.raises(
        NumericsError, match=r"(?s)model\.layers\.1\.mlp\.up_proj\.weight has weights.*copy or download"
    ) as caught:
        gradient_sums(loaded, matrices, texts(2), ["a", "b"], absolute=False)
    assert "example a" in str(caught.value)


def test_nothing_to_score_is_refused(tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path))
    for wrong in ([], [Forced([1, 2], [])]):
        with pytest.raises(DataError, match="the scored set"):
            gradient_sums(loaded, matrices, wrong, ["a"] * len(wrong), absolute=False)


def test_answers_whose_loss_depends_on_no_weight_are_refused(tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path))
    loaded.model.get_output_embeddings().weight.data.zero_()
    for absolute in (True, False):
        with pytest.raises(NumericsError, match="0 in every scored matrix"):
            gradient_sums(loaded, matrices, texts(2), ["a", "b"], absolute=absolute)


SCORING = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_gradient_sums import opened, texts, Saving, gradient_sums
loaded, matrices = opened(Path({folder!r}))
gradient_sums(loaded, matrices, texts(400), [str(k) for k in range(400)], absolute=True, saving=Saving(Path({state!r}), "m", 0.0))
"""


def counted_so_far(path):
    try:
        with safe_open(path, framework="pt") as stream:
            return len(json.loads(stream.metadata()["scoring"])["losses"])
    except (OSError, SafetensorError):
        return 0


def test_a_killed_scoring_goes_on_to_the_same_bits(tmp_path):
    folder, state = make_tiny_model(tmp_path / "model"), tmp_path / "state.safetensors"
    script = SCORING.format(path=[str(Path(__file__).parent), *sys.path], folder=str(folder), state=str(state))
    scoring = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while counted_so_far(state) < 3 and scoring.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    scoring.send_signal(signal.SIGKILL)
    assert scoring.wait() == -signal.SIGKILL, scoring.stderr.read()
    done = counted_so_far(state)
    assert 3 <= done < 400
    loaded, matrices = opened(folder)
    examples, ids = texts(400), [str(k) for k in range(400)]
    whole = gradient_sums(loaded, matrices, examples, ids, absolute=True)
    nan = [Forced([3], [4])] * done  # what is counted already is not read again: other examples stand in its place
    saving = Saving(state, "m")
    assert not torch.equal(
        whole.sums[next(iter(matrices))],
        gradient_sums(loaded, matrices, [*nan, *examples[done:]], ids, absolute=True, saving=saving).sums[next(iter(matrices))],
    )
    rest = gradient_sums(loaded, matrices, examples, ids, absolute=True, saving=saving)
    assert all(torch.equal(whole.sums[name], rest.sums[name]) for name in matrices) and whole.losses == rest.losses
    shapes = {name: tuple(weight.shape) for name, weight in matrices.items()}
    one, two = (top_scores(absolute_score(matrices, sums), shapes, 0.01, "global").top(0.01) for sums in (whole, rest))
    assert all(torch.equal(one[name], two[name]) for name in shapes), "the same mask"


@pytest.mark.parametrize("other", [{"key": "another model"}, {"absolute": False}, {"examples": 1}])
def test_sums_of_something_else_are_not_gone_on_with(other, tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"))
    state = tmp_path / "state.safetensors"
    ids = ["a", "b", "c"]
    gradient_sums(loaded, matrices, texts(3), ids, absolute=True, saving=Saving(state, "m", 0.0))
    assert counted_so_far(state) == 3
    absolute, examples = other.get("absolute", True), texts(3, seed=other.get("examples", 0))
    found = gradient_sums(loaded, matrices, examples, ids, absolute=absolute, saving=Saving(state, other.get("key", "m")))
    fresh = gradient_sums(loaded, matrices, examples, ids, absolute=absolute)
    assert all(torch.equal(found.sums[name], fresh.sums[name]) for name in matrices)
