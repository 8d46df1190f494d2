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
from anatomy.interventions.pruning import gradient_sums as gradients
from anatomy.interventions.pruning.block_parts import Part, backward, parts_of
from anatomy.interventions.pruning.gradient_sums import gradient_sums
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.ranking import top_scores
from anatomy.interventions.pruning.response_loss import response_losses
from anatomy.interventions.pruning.saved_sums import Saving
from anatomy.interventions.pruning.scores import absolute_score
from anatomy.models.activations.answers import Forced
from anatomy.models.blocks import decoder_blocks
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


def opened(folder, dtype=torch.float32):
    loaded = load_model(folder, dtype, "cpu")
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


@pytest.mark.parametrize("architecture", DENSE, ids=lambda one: one.slug)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "signed"])
def test_sums_in_two_parts_are_those_of_one_to_the_bit(architecture, absolute, tmp_path):
    """Weights in two bytes, whose sums in float32 would be twice as large as the model: those of upper blocks lie on disk."""
    loaded, matrices = opened(make_tiny_architecture(architecture, tmp_path / "model"), torch.bfloat16)
    saving = Saving(tmp_path / "state.safetensors", "m")
    whole = gradient_sums(loaded, matrices, texts(3), list("abc"), absolute=absolute)
    parts = gradient_sums(loaded, matrices, texts(3), list("abc"), absolute=absolute, saving=saving)
    assert len(parts.sums.memory) == len(matrices) / loaded.num_layers and set(parts.sums) == set(matrices)
    assert all(torch.equal(whole.sums[name], parts.sums[name]) for name in matrices) and whole.losses == parts.losses
    saving.remove()
    assert not list(tmp_path.glob("state*"))


def test_two_parts_are_refused_where_blocks_read_more_of_each_other_than_the_stream(tmp_path):
    """As where blocks share keys and values: the gradient that goes that way would be missed."""
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"), torch.bfloat16)
    assert len(parts_of(loaded, matrices, texts(1)[0])) == 2
    held = []
    blocks = decoder_blocks(loaded.model)
    blocks[0].module.self_attn.v_proj.register_forward_hook(lambda _module, _args, values: held.append(values))
    blocks[2].module.self_attn.v_proj.register_forward_hook(lambda _module, _args, values: values + held.pop())
    assert parts_of(loaded, matrices, texts(1)[0]) == [Part(0, loaded.num_layers)]
    assert not any(one.requires_grad for one in loaded.model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["whole", "in parts"])
def test_activations_that_are_computed_again_give_the_same_sums(dtype, tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"), dtype)
    kept, again = (
        gradient_sums(
            loaded,
            matrices,
            texts(4),
            list("abcd"),
            absolute=True,
            recompute=recompute,
            saving=Saving(tmp_path / f"{recompute}.safetensors", "m"),
        )
        for recompute in (False, True)
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
import torch
from test_gradient_sums import opened, texts, Saving, gradient_sums
loaded, matrices = opened(Path({folder!r}), torch.{dtype})
gradient_sums(loaded, matrices, texts(400), [str(k) for k in range(400)], absolute=True, saving=Saving(Path({state!r}), "m", 0.0))
"""


def counted_so_far(path):
    try:
        with safe_open(path, framework="pt") as stream:
            return json.loads(stream.metadata()["scoring"])["counted"]
    except (OSError, SafetensorError):
        return 0


@pytest.mark.parametrize(
    ("dtype", "killed_in", "later_parts"),
    [("float32", "state", 0), ("bfloat16", "state.from_block_1", 1), ("bfloat16", "state", 0)],
    ids=["whole", "upper part", "lower part"],
)
def test_a_killed_scoring_goes_on_to_the_same_bits(dtype, killed_in, later_parts, tmp_path, monkeypatch):
    folder, state = make_tiny_model(tmp_path / "model"), tmp_path / "state.safetensors"
    script = SCORING.format(path=[str(Path(__file__).parent), *sys.path], folder=str(folder), state=str(state), dtype=dtype)
    scoring = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    running = state.with_stem(killed_in)
    while counted_so_far(running) < 3 and scoring.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    scoring.send_signal(signal.SIGKILL)
    assert scoring.wait() == -signal.SIGKILL, scoring.stderr.read()
    done = counted_so_far(running)
    assert 3 <= done < 400
    loaded, matrices = opened(folder, getattr(torch, dtype))
    examples, ids = texts(400), [str(k) for k in range(400)]
    whole = gradient_sums(loaded, matrices, examples, ids, absolute=True)
    passes = []
    monkeypatch.setattr(gradients, "backward", lambda *given: passes.append(given) or backward(*given))
    rest = gradient_sums(loaded, matrices, examples, ids, absolute=True, saving=Saving(state, "m"))
    assert len(passes) == 400 * later_parts + 400 - done, "what is counted already is not computed again"
    assert all(torch.equal(whole.sums[name], rest.sums[name]) for name in matrices) and whole.losses == rest.losses
    shapes = {name: tuple(weight.shape) for name, weight in matrices.items()}
    one, two = (top_scores(absolute_score(matrices, sums), shapes, 0.01, "global").top(0.01) for sums in (whole, rest))
    assert all(torch.equal(one[name], two[name]) for name in shapes), "the same mask"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["whole", "in parts"])
@pytest.mark.parametrize("other", [{"key": "another model"}, {"absolute": False}, {"examples": 1}])
def test_sums_of_something_else_are_not_gone_on_with(other, dtype, tmp_path):
    loaded, matrices = opened(make_tiny_model(tmp_path / "model"), dtype)
    state = tmp_path / "state.safetensors"
    ids = ["a", "b", "c"]
    gradient_sums(loaded, matrices, texts(3), ids, absolute=True, saving=Saving(state, "m", 0.0))
    assert counted_so_far(state) == 3
    absolute, examples = other.get("absolute", True), texts(3, seed=other.get("examples", 0))
    found = gradient_sums(loaded, matrices, examples, ids, absolute=absolute, saving=Saving(state, other.get("key", "m")))
    fresh = gradient_sums(loaded, matrices, examples, ids, absolute=absolute)
    assert all(torch.equal(found.sums[name], fresh.sums[name]) for name in matrices)
