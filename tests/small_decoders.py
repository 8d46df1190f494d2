"""Decoders of three blocks with random weights that differ enough for patches to do something."""

from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM

from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.models.loading import LoadedModel

SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4)
SMALL |= dict(num_key_value_heads=2, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2)
PAIR = PairedPrompts("clean", "corrupt", "g", (1, 8, 9, 10, 4), (1, 8, 22, 31, 4))


def small_decoder(config_class, **more):
    """A model of a class of configurations, in memory, as if it had been loaded."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config_class(**{**SMALL, **more})).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.normal_(1.0, 0.5)
        elif "embed" not in name:
            parameter.data.mul_(4.0)  # far enough from zero that patches do something
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(), "", 3, 32)
