"""Ways of steering beside naive hooks, and blocks exchanged between two models."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.interventions.instruments.steering import Steering, steered_answers, steered_responses
from anatomy.interventions.instruments.transplant import transplanted, transplants
from anatomy.models.activations.hooks import reading
from anatomy.models.loading import LoadedModel

PROMPTS = [[1, 8, 9, 10, 11, 4], [1, 12, 4], [1, 30, 31, 32, 33, 34, 35, 4]]
IDS = ["a", "b", "c"]
METRIC = RefusalMetric((7, 9), 0.0)
MODES = ("add", "clamp", "cap")


def model_of(config, seed):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(f"m{seed}"), "", 3, 32)


def llama():
    return LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2
    )


@pytest.fixture
def unit():
    return torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(1)), dim=0)


def expected(mode, x, unit, amount):
    along = (x @ unit)[..., None]
    wanted = {"add": along + amount, "clamp": torch.full_like(along, amount), "cap": torch.minimum(along, torch.tensor(amount))}
    return x + (wanted[mode] - along) * unit


@pytest.mark.parametrize("config", [llama(), GPT2Config(vocab_size=50, n_embd=32, n_layer=3, n_head=4)])
@pytest.mark.parametrize("mode", MODES)
def test_every_way_is_what_a_naive_hook_gives(config, mode, unit):
    loaded, amounts = model_of(config, 0), {0: 0.4, 2: -0.1}
    rows = steered_responses(loaded, PROMPTS, IDS, [Steering(mode, unit, amounts)], METRIC, 100).set_index(["id", "setting"])
    answers = steered_answers(loaded, PROMPTS, [2, 1, 4], IDS, [Steering(mode, unit, amounts)], 100).set_index(["id", "setting"])
    blocks = loaded.model.transformer.h if hasattr(loaded.model, "transformer") else loaded.model.model.layers

    def hook(layer):
        def change(_module, args, kwargs):
            moved = expected(mode, args[0] if args else kwargs["hidden_states"], unit, amounts[layer])
            return ((moved, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": moved})

        return change

    for name, tokens, count in zip(IDS, PROMPTS, [2, 1, 4], strict=True):
        plain = loaded.model(input_ids=torch.tensor([tokens])).logits[0]
        handles = [blocks[layer].register_forward_pre_hook(hook(layer), with_kwargs=True) for layer in amounts]
        steered = loaded.model(input_ids=torch.tensor([tokens])).logits[0]
        for handle in handles:
            handle.remove()
        assert rows.loc[(name, 0), "metric"] == pytest.approx(METRIC(steered[-1:]).item(), abs=1e-4)
        assert rows.loc[(name, -1), "metric"] == pytest.approx(METRIC(plain[-1:]).item(), abs=1e-4)
        assert rows.loc[(name, 0), "kl"] == pytest.approx(kl_divergence(plain[-1:], steered[-1:]).item(), abs=1e-4)
        for setting, logits in ((-1, plain), (0, steered)):
            loss = torch.nn.functional.cross_entropy(logits[-count - 1 : -1], torch.tensor(tokens[-count:])).item()
            assert answers.loc[(name, setting), "nll"] == pytest.approx(loss, abs=1e-4)
        kl = kl_divergence(plain[-count - 1 : -1], steered[-count - 1 : -1]).mean().item()
        assert answers.loc[(name, 0), "kl"] == pytest.approx(kl, abs=1e-4) and answers.loc[(name, -1), "kl"] == 0


def test_a_clamp_sets_the_projection_and_a_cap_above_all_of_them_changes_nothing(unit):
    loaded, seen = model_of(llama(), 0), {}
    change = Steering("clamp", unit, {1: 2.5}).change(1, "cpu")
    with reading(loaded.model, [1], lambda layer, x: seen.update({layer: x})):
        loaded.model(input_ids=torch.tensor([PROMPTS[0]]))
    assert torch.allclose(change(seen[1]) @ unit, torch.tensor(2.5), atol=1e-5)
    assert torch.equal(Steering("cap", unit, {1: 1e3}).change(1, "cpu")(seen[1]), seen[1])
    below = Steering("cap", -unit, {1: 0.3}).change(1, "cpu")(seen[1]) @ unit
    assert (below >= -0.3 - 1e-5).all() and (below - (seen[1] @ unit).clamp(min=-0.3)).abs().max() < 1e-5


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_out_of_range_is_refused(unit, layer):
    loaded = model_of(llama(), 0)
    with pytest.raises(ModelError, match=f"layer {layer}"):
        steered_responses(loaded, PROMPTS, IDS, [Steering("add", unit, {layer: 1.0})], METRIC, 100)
    with pytest.raises(ModelError, match=f"layer {layer}"), transplanted(loaded, loaded, [layer]):
        pass


def test_exchanged_blocks_are_the_other_models_and_come_back():
    ours, theirs = model_of(llama(), 0), model_of(llama(), 1)
    before = {name: tensor.clone() for name, tensor in ours.model.state_dict().items()}
    table = transplants(ours, theirs, PROMPTS, IDS, METRIC, 100).set_index(["layer", "id"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.model.state_dict().items())

    def naive(layers, tokens):
        mixed = model_of(llama(), 0)
        for layer in layers:
            mixed.model.model.layers[layer].load_state_dict(theirs.model.model.layers[layer].state_dict())
        return METRIC(mixed.model(input_ids=torch.tensor([tokens])).logits[:, -1]).item()

    for name, tokens in zip(IDS, PROMPTS, strict=True):
        own, base = (METRIC(one.model(input_ids=torch.tensor([tokens])).logits[:, -1]).item() for one in (ours, theirs))
        for layer in range(3):
            assert table.loc[(layer, name), "upwards"] == pytest.approx(naive(range(layer + 1), tokens), abs=1e-4)
            assert table.loc[(layer, name), "downwards"] == pytest.approx(naive(range(layer, 3), tokens), abs=1e-4)
        steps = naive([0], tokens) - naive([0, 1], tokens), naive([2], tokens) - naive([1, 2], tokens)
        assert table.loc[(1, name), "taken"] == pytest.approx(sum(steps) / 2, abs=1e-4)
        assert table.loc[(1, name), "lost"] == pytest.approx(sum(steps) / 2 / (own - base), abs=1e-3)
        whole = (own - naive([0, 1, 2], tokens)) / (own - base)
        assert table.xs(name, level="id")["lost"].sum() == pytest.approx(whole, abs=1e-3)


def test_nothing_is_lost_by_a_models_own_blocks_and_another_shape_is_refused():
    ours = model_of(llama(), 0)
    same = transplants(ours, model_of(llama(), 0), PROMPTS, IDS, METRIC, 100)
    assert same["lost"].isna().all() and (same["taken"] == 0).all()
    config = llama()
    config.intermediate_size = 40
    with pytest.raises(ModelError, match="another shape"), transplanted(ours, model_of(config, 1), [0]):
        pass


def test_progress_moves_with_every_way_of_steering(unit, monkeypatch):
    """One batch of prompts stands still for as long as all ways of steering take."""
    counted = []

    def remember(items, what, total):
        counted.append((what, total))
        return items

    monkeypatch.setattr("anatomy.interventions.instruments.steering.counted", remember)
    ways = [Steering("add", unit, {1: 0.1 * n}) for n in range(5)]
    steered_responses(model_of(llama(), 0), PROMPTS, IDS, ways, METRIC, 100)
    steered_answers(model_of(llama(), 0), PROMPTS, [2, 1, 4], IDS, ways, 100)
    assert counted == [("ways of steering", 5), ("ways of steering", 6)]
