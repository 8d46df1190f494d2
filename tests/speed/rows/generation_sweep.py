"""Greedy completions of 32 edits, against a process with an exported checkpoint for each, and against reloaded weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from speed.comparison import Comparison
from speed.edits import SITES, Factors, as_library_edits, edited_tensors, rank_one_edits
from speed.engine_access import reload_tensors
from speed.repeats import alternate
from speed.setting import Setting
from speed.texts import passages

EDITS, MEASURED, DTYPE, NEW = 32, 3, "bfloat16", 32


def measure(setting: Setting) -> list[Comparison]:
    from anatomy.models.checkpoint import Checkpoint
    from anatomy.serving.decoding import Decoding
    from anatomy.serving.variants import Job, Variant, VariantCompletions

    folder, scratch = setting.model(dtype=DTYPE), setting.scratch / "sweep"
    checkpoint, edits = Checkpoint(folder), rank_one_edits(folder, setting.of(EDITS, 4))
    decoding, measured = Decoding(setting.of(NEW, 4), 0.0), setting.of(MEASURED, 1)
    texts = passages(setting.of(100, 4), 15, 45)
    began = time.perf_counter()
    with setting.engine(dtype=DTYPE, adapters=True, max_loras=8, max_num_seqs=1024, target_modules=SITES) as engine:
        start = time.perf_counter() - began
        prompts = [engine.tokenizer.encode(text) for text in texts]
        variants = [Variant(f"edit {number}", (edit,)) for number, edit in enumerate(as_library_edits(checkpoint, edits))]

        def ours() -> Any:
            engine.reset_prefix_cache()
            jobs = [Job(variant, [(ids, None) for ids in prompts]) for variant in variants]
            return list(VariantCompletions(engine, jobs, decoding, shard_size=len(prompts) * len(edits)))

        def reloading() -> None:
            for edit in edits[:measured]:
                reload_tensors(engine, edited_tensors(checkpoint, edit))
                engine.generate(prompts, decoding)

        def originals() -> None:
            reload_tensors(engine, [(f"{name}.weight", checkpoint.tensor(f"{name}.weight")) for name in edits[0]])

        def theirs() -> None:
            reloading()
            originals()

        engine.generate(prompts[:2], decoding)
        taken = alternate({"ours": ours, "theirs": theirs}, min(setting.repeats, 2), warm=False)
    each = [exported_process(setting, edit, prompts, decoding.max_new_tokens, scratch / "exported") for edit in edits[:measured]]
    whole, few = len(edits), len(edits) / measured
    label, counted = setting.label(dtype=DTYPE), f"{whole} edits x {len(prompts)} prompts x {decoding.max_new_tokens} new tokens"
    parts = {name: median(one[name] for one in each) for name in each[0]}
    return [
        Comparison(
            f"sweep of {whole} edits",
            "export + load + generate in a process for each edit",
            8.0,
            "at least",
            [seconds + start for seconds in taken["ours"]],
            [median(one["wall"] for one in each) * whole],
            label,
            note=f"{counted}; ours with the start of its engine ({start:.1f} s, imports included); theirs measured on {measured} "
            f"edits and extrapolated, each {parts['wall']:.1f} s = imports {parts['imports']:.1f}, export {parts['export']:.1f}, "
            f"load {parts['load']:.1f}, generation {parts['generate']:.1f}, end",
        ),
        Comparison(
            f"sweep of {whole} edits",
            "reload_weights for each edit, same engine",
            1.3,
            "at least",
            taken["ours"],
            [seconds * few for seconds in taken["theirs"]],
            label,
            note=f"{counted}; warm; theirs measured on {measured} edits (originals back once) and extrapolated",
        ),
    ]


def exported_process(setting: Setting, edit: Factors, prompts: list[list[int]], new: int, scratch: Path) -> dict[str, float]:
    """Seconds of one edit done as peers do it, and of its parts."""
    import torch

    scratch.mkdir(parents=True, exist_ok=True)
    asked = {
        "folder": str(setting.model(dtype=DTYPE)),
        "out": str(scratch / "checkpoint"),
        "prompts": prompts,
        "new": new,
        "threads": setting.threads,
        "max_model_len": setting.of(3072, 2048),
    }
    (scratch / "asked.json").write_text(json.dumps(asked))
    torch.save(edit, scratch / "edit.pt")
    path = os.pathsep.join(folder for folder in sys.path if folder)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "speed.exported_generation", str(scratch)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return {"wall": time.perf_counter() - began, **json.loads(done.stdout.splitlines()[-1])}
