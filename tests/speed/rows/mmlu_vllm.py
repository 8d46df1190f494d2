"""MMLU through the library's engine, against lm-eval's own vLLM backend on the same engine."""

from __future__ import annotations

from typing import Any

from speed.comparison import Comparison
from speed.engine_access import forget_prefixes, harness_model
from speed.questions import mmlu_files
from speed.repeats import alternate
from speed.setting import Setting

SUBJECT = "astronomy"
SHAPES = ((0, 4.0, 40), (5, 15.0, 12))
"""Shots, target, questions."""


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np

    from anatomy.benchmarks.engine_lm import EngineLM
    from anatomy.benchmarks.harness import evaluate
    from anatomy.benchmarks.tasks import real_tasks

    data, found = mmlu_files(setting, (SUBJECT,)), []
    with setting.engine() as engine:
        theirs = harness_model(engine)
        for shots, target, questions in SHAPES:
            questions = setting.of(questions, 3)

            def score(lm: Any, shots: int = shots, questions: int = questions) -> Any:
                forget_prefixes(engine)
                tasks = real_tasks([f"mmlu_{SUBJECT}"], data)
                return evaluate(lm, tasks, num_fewshot=shots, fewshot_seed=0, limit=questions)

            one, other = score(EngineLM(engine)), score(theirs)
            np.testing.assert_allclose(np.stack(one["loglikelihoods"]), np.stack(other["loglikelihoods"]), atol=1e-4)
            taken = alternate({"ours": lambda score=score: score(EngineLM(engine)), "theirs": lambda score=score: score(theirs)},
                              setting.repeats if shots == 0 else min(setting.repeats, 2), warm=False)
            found.append(Comparison(
                f"MMLU, {shots}-shot", "lm-eval's own vLLM backend, same engine", target, "at least", taken["ours"],
                taken["theirs"], setting.label(), questions, "questions",
                f"{questions} real questions of {SUBJECT}; building of requests counted on both sides; equal to 1e-4 nats"))
    return found
