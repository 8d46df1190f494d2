"""MMLU through the library's engine, against lm-eval's own vLLM backend on the same engine."""

from __future__ import annotations

from functools import partial

from speed.comparison import Comparison
from speed.engine_access import harness_model
from speed.questions import mmlu_files
from speed.repeats import alternate
from speed.setting import Setting

SUBJECTS = ("astronomy", "human_aging")
SHAPES = ((0, 4.0, 16), (5, 15.0, 12))
"""Shots, target, questions of each subject; a subject's questions share its examples, as in any real run."""


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np

    from anatomy.serving.benchmarks.engine_lm import EngineLM
    from anatomy.serving.benchmarks.harness import evaluate
    from anatomy.serving.benchmarks.tasks import real_tasks

    data, found = mmlu_files(setting, SUBJECTS), []
    with setting.engine() as engine:
        models = {"ours": EngineLM(engine), "theirs": harness_model(engine)}
        for shots, target, each in SHAPES:
            each, tables = setting.of(each, 3), {}

            def score(side: str, limit: int = each, shots: int = shots, tables: dict = tables) -> None:
                engine.reset_prefix_cache()
                tasks = real_tasks([f"mmlu_{subject}" for subject in SUBJECTS], data)
                tables[side] = evaluate(models[side], tasks, num_fewshot=shots, fewshot_seed=0, limit=limit)

            for side in models:
                score(side, 1)
            taken = alternate(
                {side: partial(score, side) for side in models},
                setting.repeats if shots == 0 else min(setting.repeats, 2),
                warm=False,
            )
            np.testing.assert_allclose(*(np.stack(tables[side]["loglikelihoods"]) for side in models), atol=1e-4)
            found.append(
                Comparison(
                    f"MMLU, {shots}-shot",
                    "lm-eval's own vLLM backend, same engine",
                    target,
                    "at least",
                    taken["ours"],
                    taken["theirs"],
                    setting.label(),
                    each * len(SUBJECTS),
                    "questions",
                    f"{each} real questions of each of {' and '.join(SUBJECTS)}, the same on both sides; building of requests "
                    "counted on both; equal to 1e-4 nats",
                )
            )
    return found
