"""Greedy decoding under directional ablations inside the engine, against transformers' own ``generate`` with the same hooks."""

from __future__ import annotations

from typing import Any

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.loading import LoadedModel
from anatomy.serving.transformers_generation import left_padded

SHAPES = ((4, 32), (1, 64))
"""Hook states, prompts of each."""

ALIKE = 0.9
"""Least share of completions that must be equal on both sides, token for token; the others part at ties."""


def measure(setting: Setting) -> list[Comparison]:
    from anatomy.serving.engine_hooks import run_with_hooks

    loaded, new, found = setting.loaded(), setting.of(32, 6), []
    with setting.engine(hooks=True) as engine:
        from vllm import SamplingParams

        parameter = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
        for count, each in SHAPES:
            prompts = [loaded.tokenizer.encode(text) for text in passages(setting.of(each, 8), 15, 45)]
            states = [everywhere(loaded, seed) for seed in range(setting.of(count, 2) if count > 1 else 1)]
            written: dict[str, list[list[int]]] = {}

            def ours(prompts: list = prompts, states: list = states, written: dict = written) -> None:
                engine.reset_prefix_cache()
                asked = [(ids, (state,)) for state in states for ids in prompts]
                answers = run_with_hooks(engine, [ids for ids, _ in asked], [parameter] * len(asked), [own for _, own in asked])
                written["ours"] = [list(answer.outputs[0].token_ids) for answer in answers]

            def theirs(prompts: list = prompts, states: list = states, written: dict = written) -> None:
                written["theirs"] = []
                for state in states:
                    with intervening(loaded.model, [state]):
                        written["theirs"] += generate(loaded, prompts, new)

            ours(prompts[:2])
            theirs(prompts[:2])
            taken = alternate({"ours": ours, "theirs": theirs}, setting.repeats, warm=False)
            alike = equal_share(written)
            many = f"{len(states)} hook states" if len(states) > 1 else "one hook state"
            found.append(
                Comparison(
                    f"hooked decoding, {many}",
                    "transformers generate with the same hooks, a batch for each state",
                    1.7,
                    "at least",
                    taken["ours"],
                    taken["theirs"],
                    setting.label(),
                    len(states) * len(prompts) * new,
                    "new tokens",
                    f"{many} x {len(prompts)} prompts x {new} new tokens, ablation at three sites of every block; ours: inside "
                    f"the engine, all states in one batch; "
                    f"{alike:.0%} of completions equal token for token, the others part at ties",
                )
            )
    return found


def equal_share(written: dict[str, list[list[int]]]) -> float:
    """Share of completions that are equal on both sides; too few are a row that measures two different things."""
    pairs = list(zip(written["ours"], written["theirs"], strict=True))
    share = sum(one == other for one, other in pairs) / len(pairs)
    if share < ALIKE:
        raise AssertionError(f"only {share:.0%} of the completions are equal on both sides")
    return share


def everywhere(loaded: LoadedModel, seed: int) -> Intervention:
    """One random direction ablated at every site of every block."""
    unit = torch.nn.functional.normalize(torch.randn(loaded.d_model, generator=torch.Generator().manual_seed(seed)), dim=0)
    layers = tuple(range(loaded.num_layers))
    return Intervention("ablate", layers, unit.expand(len(layers), 1, -1), None, 1.0, SITES, "all")


@torch.inference_mode()
def generate(loaded: Any, prompts: list[list[int]], new: int) -> list[list[int]]:
    """transformers' ``generate`` on one batch, greedy, always to the full length; in the order of the prompts."""
    tokens, mask = left_padded(prompts, loaded.pad_token_id)
    answer = loaded.model.generate(
        input_ids=tokens.to(loaded.device),
        attention_mask=mask.to(loaded.device),
        do_sample=False,
        max_new_tokens=new,
        min_new_tokens=new,
        pad_token_id=loaded.pad_token_id,
    )
    return answer[:, tokens.shape[1] :].tolist()
