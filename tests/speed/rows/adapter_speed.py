"""Tokens per second with a different adapter on every eighth prompt, against the unedited base on the same engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speed.comparison import Comparison
from speed.edits import SITES, rank_one_edits, write_adapters
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

ADAPTERS, DTYPE = 8, "bfloat16"
SHAPES = {"prefill": (96, 60, 90, 1), "decode": (96, 4, 8, 48)}
"""Prompts, fewest and most words of each, new tokens."""


def measure(setting: Setting) -> list[Comparison]:
    adapters = write_adapters(rank_one_edits(setting.model(dtype=DTYPE), ADAPTERS), setting.scratch / "adapter_speed")
    found = []
    with setting.engine(dtype=DTYPE, adapters=True, max_loras=ADAPTERS, target_modules=SITES) as engine:
        for name, (count, shortest, longest, new) in SHAPES.items():
            count = setting.of(count, ADAPTERS)
            prompts = [engine.tokenizer.encode(text) for text in passages(count, shortest, longest)]
            # No prompt twice: base prompts would share cached prefixes, which prompts of different adapters cannot.
            edited = [adapters[place * ADAPTERS // count] for place in range(count)]

            def run(asked: list[Path | None], prompts: list[list[int]] = prompts, new: int = new) -> Any:
                engine.reset_prefix_cache()
                return complete(engine, prompts, asked, new)

            taken = alternate(
                {"ours": lambda run=run, edited=edited: run(edited), "theirs": lambda run=run, count=count: run([None] * count)},
                setting.repeats,
            )
            tokens = count * new if new > 1 else sum(map(len, prompts))
            found.append(
                Comparison(
                    f"adapters, {name}",
                    "unedited base, same engine",
                    0.8,
                    "at least",
                    taken["ours"],
                    taken["theirs"],
                    setting.label(dtype=DTYPE),
                    tokens,
                    "tokens",
                    f"{ADAPTERS} adapters of rank 1 on o_proj and down_proj, {count} prompts of {min(map(len, prompts))} to "
                    f"{max(map(len, prompts))} tokens, {new} new",
                )
            )
    return found


def complete(engine: Any, prompts: list[list[int]], adapters: list[Path | None], new: int) -> Any:
    """Greedy, always to the full length."""
    from vllm import SamplingParams

    parameter = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
    return engine.run(prompts, [parameter] * len(prompts), adapters)
