from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, Olmo2Config, Qwen2Config

from anatomy.interventions.directions.ablation import ablated_metric
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.injection import added_metric
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.loading import LoadedModel

SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2)
SMALL |= dict(num_key_value_heads=1, head_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=2)
PROMPTS = [[1, 8, 9, 10, 11, 4], [1, 12, 4], [1, 30, 31, 32, 33, 34, 35, 4]]
METRIC = RefusalMetric((7, 9), 0.0)


@pytest.fixture(params=[Qwen2Config, Gemma2Config, Olmo2Config])
def loaded(request):
    torch.manual_seed(0)
    # Gemma-2 scales its embeddings, caps its logits and mixes two attention masks: what a shortcut could miss.
    model = AutoModelForCausalLM.from_config(request.param(**SMALL)).eval()
    # With gains of one a norm keeps what is orthogonal orthogonal, and hides where an ablation acts.
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.normal_(1.0, 0.5)
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(), "", 4, 32)


def test_shared_prefix_gives_what_a_full_pass_gives(loaded):
    vectors = torch.randn(2, 4, 32, generator=torch.Generator().manual_seed(1))
    directions = Directions(vectors, (-2, -1), (0, 1, 2, 3))
    cells = [(-2, 0), (-1, 0), (-2, 2), (-1, 3)]
    found = added_metric(loaded, PROMPTS, directions, cells, METRIC, 30)
    for value, (position, layer) in zip(found.mean(1).tolist(), cells, strict=True):
        vector = directions.vector(position, layer).view(1, 1, -1)
        add = Intervention("add", (layer,), vector, None, 1.0, ("block_input",), "all")
        with intervening(loaded.model, [add]), torch.no_grad():
            single = [METRIC(loaded.model(torch.tensor([ids])).logits[:, -1]) for ids in PROMPTS]
        assert value == pytest.approx(torch.stack(single).mean().item(), abs=1e-5)


def test_ablation_takes_the_direction_out_of_every_architecture(loaded):
    """Between the two writes and after them, the stream has nothing along the direction, post-norm or not."""
    unit = torch.nn.functional.normalize(torch.randn(1, 32, generator=torch.Generator().manual_seed(2)), dim=1)
    last = loaded.model.model.layers[-1]
    # What reads the stream after attention: the MLP's own norm, or in OLMo-2 the MLP itself.
    reads_after_attention = {"qwen2": "post_attention_layernorm", "gemma2": "pre_feedforward_layernorm", "olmo2": "mlp"}[
        loaded.model.config.model_type
    ]
    seen = []

    def before(_module, args):
        seen.append(args[0])

    def after(_module, _args, output):
        seen.append(output[0] if isinstance(output, tuple) else output)

    handles = [getattr(last, reads_after_attention).register_forward_pre_hook(before), last.register_forward_hook(after)]
    ablated_metric(loaded, PROMPTS, unit, METRIC, 100)
    for handle in handles:
        handle.remove()
    assert seen
    for stream in seen:
        assert (stream @ unit[0]).abs().max() < 1e-5 * stream.norm(dim=-1).max()
