"""MMLU through the library's engine, against lm-eval's transformers backend at the batch size at which it is fastest."""

from __future__ import annotations

from typing import Any

from speed.comparison import Comparison
from speed.questions import mmlu_files
from speed.repeats import alternate, seconds
from speed.setting import Setting

SUBJECT, VOCABULARY = "astronomy", 32_000
SHAPES = ((0, 1.3, 40, (1, 8, 16, 32)), (5, 4.0, 20, (1, 4, 16)))
"""Shots, target, questions, batch sizes tried."""


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np
    from lm_eval.models.huggingface import HFLM

    from anatomy.serving.benchmarks.engine_lm import EngineLM
    from anatomy.serving.benchmarks.harness import evaluate
    from anatomy.serving.benchmarks.tasks import real_tasks

    data, found, loaded = mmlu_files(setting, (SUBJECT,)), [], setting.loaded(VOCABULARY)
    with setting.engine(VOCABULARY) as engine:
        for shots, target, questions, sizes in SHAPES:
            questions, sizes = setting.of(questions, 3), sizes[:2] if setting.quick else sizes

            def score(lm: Any, shots: int = shots, questions: int = questions) -> Any:
                engine.reset_prefix_cache()
                tasks = real_tasks([f"mmlu_{SUBJECT}"], data)
                return evaluate(lm, tasks, num_fewshot=shots, fewshot_seed=0, limit=questions)

            def theirs(size: int) -> HFLM:
                return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=size, max_length=engine.max_model_len)

            one, other = score(EngineLM(engine)), score(theirs(sizes[0]))
            np.testing.assert_allclose(np.stack(one["loglikelihoods"]), np.stack(other["loglikelihoods"]), atol=1e-4)
            tried = {size: seconds(lambda size=size, score=score: score(theirs(size))) for size in sizes}
            best = theirs(min(tried, key=tried.get))
            taken = alternate(
                {"ours": lambda score=score: score(EngineLM(engine)), "theirs": lambda score=score, best=best: score(best)},
                setting.repeats,
                warm=False,
            )
            found.append(
                Comparison(
                    f"MMLU, {shots}-shot",
                    f"lm-eval's transformers backend, batch {best.batch_size}",
                    target,
                    "at least",
                    taken["ours"],
                    taken["theirs"],
                    setting.label(VOCABULARY),
                    questions,
                    "questions",
                    f"{questions} real questions of {SUBJECT}; the best of batch sizes {', '.join(map(str, sizes))}; equal to "
                    "1e-4 nats",
                )
            )
    return found
