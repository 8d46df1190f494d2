"""The final norm as a linear map of directions: what the model's own norm does to a small step along each of them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, LlamaConfig, PhiConfig, Starcoder2Config

from anatomy.interventions.instruments.final_norm import final_norm, read_by_head
from anatomy.models.activations.starting import stream_logits
from anatomy.models.loading import LoadedModel
from anatomy.recipes.mechanisms.stages.other_directions import head_direction

WIDTH = 32
SMALL = dict(vocab_size=50, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
SMALL |= dict(num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2)
OF_GPT2 = dict(vocab_size=50, n_embd=WIDTH, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)


@pytest.fixture(params=[LlamaConfig, Gemma2Config, GPT2Config, PhiConfig, Starcoder2Config])
def loaded(request):
    """Norms by the root mean square and by the standard deviation, of random gain and bias."""
    torch.manual_seed(0)
    sizes = OF_GPT2 if request.param is GPT2Config else SMALL | ({"head_dim": 8} if request.param is Gemma2Config else {})
    model = AutoModelForCausalLM.from_config(request.param(**sizes)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name or "ln_" in name:
            parameter.data.normal_(1.0, 0.5)
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(), "", 2, WIDTH)


def stepped(loaded):
    """A direction that does not change what the norm divides by, and what a small step along it does to the head's input."""
    generator = torch.Generator().manual_seed(1)
    x, d = torch.randn(2, WIDTH, generator=generator)
    centred = final_norm(loaded).of_mean.norm() < 1e-3
    along = x - x.mean() if centred else x
    d = d - (d @ along) / (along @ along) * along
    kept = []
    handle = loaded.model.get_output_embeddings().register_forward_pre_hook(lambda _module, args: kept.append(args[0][:, -1]))
    stream_logits(loaded, torch.stack([x + 0.01 * d, x - 0.01 * d]))
    handle.remove()
    return d, (kept[0][0] - kept[0][1]) / 0.02 * along.square().mean().sqrt()


def test_directions_come_through_as_a_small_step_does(loaded):
    d, wanted = stepped(loaded)
    norm = final_norm(loaded)
    assert torch.allclose(norm.made_of(d), wanted, atol=2e-3)
    head = loaded.model.get_output_embeddings().weight
    assert torch.allclose(read_by_head(loaded, d[None])[0], head @ wanted, atol=2e-3)


def test_a_line_that_the_head_reads_is_taken_back_through_the_norm(loaded):
    reads = torch.nn.functional.normalize(torch.randn(WIDTH, generator=torch.Generator().manual_seed(2)), dim=0)
    norm, d = final_norm(loaded), torch.eye(WIDTH)
    wanted = torch.nn.functional.normalize(norm.made_of(d) @ reads, dim=0)
    found = head_direction(torch.ones(50)[:, None] * reads, loaded)[-1]
    assert abs((found @ wanted).item()) == pytest.approx(1, abs=1e-5)
