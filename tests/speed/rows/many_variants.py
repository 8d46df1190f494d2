"""One benchmark for 32 adapters, against a run of lm-eval for each, and against one warm lm-eval object."""

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
from speed.edits import SITES, as_library_edits, rank_one_edits, write_adapters
from speed.engine_access import harness_model
from speed.questions import mmlu_files
from speed.repeats import alternate
from speed.setting import Setting

SUBJECT, VARIANTS, MEASURED = "astronomy", 32, 3


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np

    data, questions = mmlu_files(setting, (SUBJECT,)), setting.of(20, 3)
    factors, measured = rank_one_edits(setting.model(), setting.of(VARIANTS, 4)), setting.of(MEASURED, 1)
    adapters = write_adapters(factors[:measured], setting.scratch / "variants")
    began = time.perf_counter()
    with setting.engine(adapters=True, max_loras=8, target_modules=SITES) as engine:
        from anatomy.models.checkpoint import Checkpoint
        from anatomy.serving.benchmarks.tasks import real_tasks
        from anatomy.serving.variants import Variant

        harness = harness_model(engine)
        start = time.perf_counter() - began
        edits = as_library_edits(Checkpoint(setting.model()), factors)
        variants = [Variant(f"edit {number}", (edit,)) for number, edit in enumerate(edits)]
        tables: dict[str, list[Any]] = {}

        def ours(limit: int = questions, asked: list[Variant] = variants) -> None:
            engine.reset_prefix_cache()
            tables["ours"] = evaluate_all(engine, asked, real_tasks([f"mmlu_{SUBJECT}"], data), limit)

        def theirs(limit: int = questions) -> None:
            engine.reset_prefix_cache()
            tables["theirs"] = [
                warm_run(harness, adapter, number + 1, real_tasks([f"mmlu_{SUBJECT}"], data), limit)
                for number, adapter in enumerate(adapters)
            ]

        ours(1, variants[:2])
        theirs(1)
        taken = alternate({"ours": ours, "theirs": theirs}, 1, warm=False)
        for one, other in zip(tables["ours"], tables["theirs"], strict=False):
            np.testing.assert_allclose(np.stack(one["loglikelihoods"]), np.stack(other["loglikelihoods"]), atol=1e-4)
    each = [fresh_run(setting, adapter, data, questions) for adapter in adapters]
    whole, label = len(variants), setting.label()
    counted = (
        f"{whole} edits x {questions} real questions, 0-shot, measured on {measured} of theirs and extrapolated; equal to "
        "1e-4 nats"
    )
    return [
        Comparison(
            f"{whole} variants, MMLU",
            "a run of lm-eval's command for each",
            8.0,
            "at least",
            [seconds + start for seconds in taken["ours"]],
            [median(each) * whole],
            label,
            note=f"{counted}; start and imports counted on both sides (ours {start:.1f} s once, "
            f"theirs {median(each):.1f} s each)",
        ),
        Comparison(
            f"{whole} variants, MMLU",
            "one warm lm-eval vLLM object, same engine",
            4.0,
            "at least",
            taken["ours"],
            [seconds * whole / measured for seconds in taken["theirs"]],
            label,
            note=counted,
        ),
    ]


def evaluate_all(engine: Any, variants: list[Any], tasks: Any, questions: int) -> list[Any]:
    """Every variant on the tasks, by the library."""
    from variant_tables import evaluate_variants

    from anatomy.serving.variants import plan_variants

    entries = plan_variants(engine, variants).entries(engine)
    with engine.sweep():
        tables = evaluate_variants(engine, entries, tasks, num_fewshot=0, fewshot_seed=0, limit=questions)
    return [tables[variant.name] for variant in variants]


def warm_run(harness: Any, adapter: Path, number: int, tasks: Any, questions: int) -> Any:
    """One variant by lm-eval's vLLM object, its adapter changed in place."""
    from vllm.lora.request import LoRARequest

    from anatomy.serving.benchmarks.harness import evaluate

    harness.lora_request = LoRARequest(f"adapter-{number}", number, str(adapter))
    return evaluate(harness, tasks, num_fewshot=0, fewshot_seed=0, limit=questions)


def fresh_run(setting: Setting, adapter: Path, data: Path, questions: int) -> float:
    """Seconds of lm-eval's own command on one adapter, with the engine arguments that ours has."""
    folder = setting.scratch / "tasks"
    write_task(folder, data)
    arguments = {
        "pretrained": str(setting.model()),
        "dtype": "float32",
        "max_model_len": setting.of(3072, 2048),
        "lora_local_path": str(adapter),
        "max_lora_rank": 1,
        "lora_target_modules": list(SITES),
    }
    if setting.device == "cpu":
        arguments |= {"enforce_eager": True, "block_size": 32, "kv_cache_memory_bytes": 2**30}
    command = [
        sys.executable,
        "-m",
        "lm_eval",
        "--model",
        "vllm",
        "--model_args",
        json.dumps(arguments),
        "--tasks",
        f"mmlu_{SUBJECT}",
        "--include_path",
        str(folder),
        "--num_fewshot",
        "0",
        "--limit",
        str(questions),
        "--batch_size",
        "auto",
    ]
    environment = {**os.environ, "HF_HOME": str(setting.scratch / "hub"), "HF_DATASETS_OFFLINE": "1"}
    environment.pop("TQDM_DISABLE", None)  # lm-eval divides by the time that its bar measured
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - began


def write_task(folder: Path, data: Path) -> None:
    """lm-eval's own task file over the same rows."""
    import csv

    import lm_eval.tasks

    folder.mkdir(parents=True, exist_ok=True)
    for split in ("dev", "test"):
        with open(data / "mmlu" / f"{SUBJECT}_{split}.csv", encoding="utf-8", newline="") as file:
            rows = [
                {"question": row["question"], "choices": [row[letter] for letter in "ABCD"], "answer": int(row["answer"])}
                for row in csv.DictReader(file)
            ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = Path(lm_eval.tasks.__file__).parent / "mmlu" / "default" / f"mmlu_{SUBJECT}.yaml"
    files = {split: str(folder / f"{split}.jsonl") for split in ("dev", "test")}
    (folder / f"mmlu_{SUBJECT}.yaml").write_text(
        f"include: {own}\ntask: mmlu_{SUBJECT}\ndataset_path: json\ndataset_name: null\n"
        f"dataset_kwargs: {json.dumps({'data_files': files})}\n"
    )
