"""A model that was trained: what it learned, what of its folder changed, and that a kill changes no bit."""

import json
import multiprocessing
import shutil
import signal
from pathlib import Path

import pytest
import torch
from made_architecture import make_tiny_architecture
from tiny_architectures import ARCHITECTURES
from tiny_model import load_tiny_model, make_tiny_model
from tuned_setting import options, run, run_and_be_killed

from anatomy.errors import ModelError, NumericsError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.rendering import Rendering, render
from anatomy.models.tokenizer import load_tokenizer
from anatomy.tuning.adapter import attach, factors_of, matrices, recompute_activations, trained
from anatomy.tuning.response_loss import mean_loss, summed_loss
from anatomy.tuning.rows import Row


@pytest.fixture(scope="module")
def done(tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return folder / "model", run(tiny_folder, folder)


def test_the_held_out_loss_of_every_part_falls_and_the_shares_are_kept(done):
    _, card = done
    assert all(part["held_out_after"] < part["held_out_before"] for part in card["data"])
    for part in card["data"]:
        assert part["tokens"] / card["tokens"] == pytest.approx(part["share"], abs=0.05)
    assert card["tokens"] >= 3000 and sum(part["tokens"] for part in card["data"]) == card["tokens"]
    assert {part["rows"] for part in card["data"] if part["prompts"] == "chat"} == {4, 2}  # no prompt with two responses


def test_the_folder_is_an_ordinary_model_that_predicts_as_the_adapter_did(done, tiny_folder):
    folder, card = done
    loaded = load_model(folder, torch.float32, "cpu")
    assert loaded.digest != card["from_digest"] == Checkpoint(tiny_folder).digest()
    row = Row("0", tuple(render(loaded.tokenizer, ["Tell me how to open the gate"], Rendering())[0]), 3)
    again = attach(load_model(tiny_folder, torch.float32, "cpu"), matrices(loaded, "all"), rank=2, alpha=4.0, seed=0)
    before = mean_loss(again, [row], 0, torch.device("cpu"), 100)
    assert mean_loss(loaded.model, [row], 0, torch.device("cpu"), 100) != pytest.approx(before, abs=1e-3)
    assert card["surviving_share"] == pytest.approx(1, abs=1e-4) and card["template"] is None


def test_the_same_inputs_give_the_same_weights(done, tiny_folder, tmp_path):
    run(tiny_folder, tmp_path)
    assert Checkpoint(tmp_path / "model").digest() == Checkpoint(done[0]).digest()


def test_a_killed_training_goes_on_and_ends_with_equal_bits(done, tiny_folder, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=run_and_be_killed, args=(tiny_folder, tmp_path))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL and not (tmp_path / "model").exists()
    said = []
    run(tiny_folder, tmp_path, say=said.append)
    assert any("going on after step 4" in line for line in said)
    assert Checkpoint(tmp_path / "model").digest() == Checkpoint(done[0]).digest()


def test_other_options_do_not_go_on_from_a_state(done, tiny_folder, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=run_and_be_killed, args=(tiny_folder, tmp_path))
    process.start()
    process.join(120)
    said = []
    run(tiny_folder, tmp_path, options(learning_rate=0.002), say=said.append)
    assert not any("going on" in line for line in said)


def test_activations_computed_again_give_the_same_gradients(tiny_folder):
    row = Row("0", tuple(range(10, 40)), 8)
    found = []
    for again in (False, True):
        model = attach(
            loaded := load_tiny_model(tiny_folder), matrices(loaded, ["q_proj", "down_proj"]), rank=2, alpha=2.0, seed=1
        )
        if again:
            recompute_activations(model)
        summed_loss(model, [row], 0, torch.device("cpu")).backward()
        found.append([parameter.grad for parameter in trained(model).values()])
    assert any(float(gradient.norm()) > 0 for gradient in found[0])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_the_loss_is_that_of_responses_alone_whatever_the_padding(tiny_folder):
    loaded = load_tiny_model(tiny_folder)
    rows = [Row("a", tuple(range(10, 30)), 5), Row("b", tuple(range(50, 57)), 2)]
    together = float(summed_loss(loaded.model, rows, 0, torch.device("cpu")))
    by_hand = 0.0
    for row in rows:
        logprobs = loaded.model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        by_hand -= sum(float(logprobs[place - 1, row.ids[place]]) for place in range(len(row.ids) - row.answer, len(row.ids)))
    assert together == pytest.approx(by_hand, rel=1e-5)


def test_a_base_without_a_template_gets_the_plain_one(tmp_path):
    source = make_tiny_model(tmp_path / "base")
    (source / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        run(source, tmp_path / "own")
    card = run(source, tmp_path / "plain", options(chat_template="plain"))
    tokenizer = load_model(tmp_path / "plain" / "model", torch.float32, "cpu").tokenizer
    (ids,) = render(tokenizer, ["How?"], Rendering())
    assert card["template"] == tokenizer.chat_template
    assert tokenizer.decode(ids) == "<|begin|>### Request\nHow?\n\n### Answer\n"
    with pytest.raises(ModelError, match="a chat template of its own"):
        run(tmp_path / "plain" / "model", tmp_path / "twice", options(chat_template="plain"))


def test_a_diverging_training_stops_and_names_step_and_rows(tiny_folder, tmp_path):
    with pytest.raises(NumericsError, match=r"step \d+ of the training, rows (chat|harmful)-fit-\d") as stopped:
        run(tiny_folder, tmp_path, options(learning_rate=30.0, schedule="constant", tokens=20_000))
    assert "is kept in" in str(stopped.value) and list((tmp_path / "state").glob("*.safetensors"))
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_stops_before_the_update(tiny_folder, tmp_path):
    with pytest.raises(NumericsError, match="a loss of nan") as stopped:
        run(tiny_folder, tmp_path, options(learning_rate=1e30, schedule="constant", warmup=0.0, keep_every=1))
    assert "finite numbers" in str(stopped.value)
    assert not list((tmp_path / "state").glob("*.safetensors")), "what one step made of the adapter is no state to go on from"


def test_unknown_targets_are_named(tiny_folder, tmp_path):
    with pytest.raises(ModelError, match="no linear map called query") as refused:
        run(tiny_folder, tmp_path, options(targets=["query"]))
    assert "q_proj" in str(refused.value)


def test_factors_carry_the_scaling(tiny_folder):
    loaded = load_tiny_model(tiny_folder)
    names = matrices(loaded, ["o_proj"])
    model = attach(loaded, names, rank=2, alpha=6.0, seed=0)
    layer = model.get_base_model().get_submodule(names[0])
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(1.0)
    a, b = factors_of(model, names)[names[0]]
    inputs = torch.randn(3, a.shape[1])
    torch.testing.assert_close(layer(inputs) - layer.base_layer(inputs), inputs @ (b @ a).T)


def test_a_quantised_model_is_refused(tiny_folder, tmp_path):
    source = Path(shutil.copytree(tiny_folder, tmp_path / "quantised"))
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq", "bits": 4}}))
    with pytest.raises(ModelError, match="GPTQ quantized"):
        run(source, tmp_path)


@pytest.mark.parametrize("name", ["Gemma 3", "Mixtral"])
def test_families(name, tmp_path):
    """Embeddings stay tied where blocks have windows; experts in one tensor are refused, where all was asked for."""
    (architecture,) = (one for one in ARCHITECTURES if one.name == name)
    source = make_tiny_architecture(architecture, tmp_path / "source")
    chosen = options(tokens=600, chat_template="own" if load_tokenizer(source).chat_template else "plain")
    if name == "Gemma 3":
        card = run(source, tmp_path, chosen)
        assert Checkpoint(tmp_path / "model").tied_embeddings and card["matrices"] == 7 * Checkpoint(source).num_layers
    else:
        with pytest.raises(ModelError, match=r"tuned\.targets"):
            run(source, tmp_path, chosen)
