"""Greedy decoding under a directional ablation, against transformers' own ``generate`` with the same hooks."""

from __future__ import annotations

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

from anatomy.activations.hooks import SITES
from anatomy.activations.interventions import Intervention, intervening
from anatomy.models.loading import LoadedModel
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers, left_padded

BATCH = 64


def measure(setting: Setting) -> list[Comparison]:
    loaded, new = setting.loaded(), setting.of(32, 6)
    prompts = [loaded.tokenizer.encode(text) for text in passages(setting.of(BATCH, 8), 15, 45)]
    ablation = everywhere(loaded)

    def ours() -> object:
        return generate_with_transformers(loaded, prompts, Decoding(new, 0.0), batch_size=BATCH,
                                          intervention=intervening(loaded.model, [ablation]))

    def theirs() -> object:
        with intervening(loaded.model, [ablation]):
            return generate(loaded, prompts, new)

    taken = alternate({"ours": ours, "theirs": theirs}, setting.repeats)
    return [Comparison(
        "hooked decoding", f"transformers generate with the same hooks, batches of {BATCH}", 1.7, "at least", taken["ours"],
        taken["theirs"], setting.label(), len(prompts) * new, "new tokens",
        f"{len(prompts)} prompts, {new} new tokens each, ablation at three sites of every block; ours: transformers with hooks",
    )]  # fmt: skip


def everywhere(loaded: LoadedModel) -> Intervention:
    """One random direction ablated at every site of every block."""
    unit = torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(5)), dim=0)
    layers = tuple(range(loaded.num_layers))
    return Intervention("ablate", layers, unit.expand(len(layers), 1, -1), None, 1.0, SITES, "all")


@torch.inference_mode()
def generate(loaded: LoadedModel, prompts: list[list[int]], new: int) -> list[list[int]]:
    """transformers' ``generate``, greedy, always to the full length, longest prompts first as ours."""
    ordered, written = sorted(prompts, key=len, reverse=True), []
    for start in range(0, len(ordered), BATCH):
        tokens, mask = left_padded(ordered[start : start + BATCH], loaded.pad_token_id)
        answer = loaded.model.generate(input_ids=tokens.to(loaded.device), attention_mask=mask.to(loaded.device), do_sample=False,
                                       max_new_tokens=new, min_new_tokens=new, pad_token_id=loaded.pad_token_id)  # fmt: skip
        written += answer[:, tokens.shape[1] :].tolist()
    return written
