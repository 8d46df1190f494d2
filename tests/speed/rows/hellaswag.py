"""Choices of many tokens in HellaSwag's shape, against lm-eval's own vLLM backend on the same engine."""

from __future__ import annotations

from typing import Any

from speed.comparison import Comparison
from speed.engine_access import forget_prefixes, harness_model
from speed.questions import hellaswag_files
from speed.repeats import alternate
from speed.setting import Setting


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np

    from anatomy.benchmarks.engine_lm import EngineLM
    from anatomy.benchmarks.harness import evaluate
    from anatomy.benchmarks.tasks import real_tasks

    items = setting.of(24, 3)
    data = hellaswag_files(setting, items)
    with setting.engine() as engine:
        baseline = harness_model(engine)

        def score(lm: Any) -> Any:
            forget_prefixes(engine)
            return evaluate(lm, real_tasks(["hellaswag"], data), num_fewshot=0, fewshot_seed=0)

        one, other = score(EngineLM(engine)), score(baseline)
        np.testing.assert_allclose(np.stack(one["loglikelihoods"]), np.stack(other["loglikelihoods"]), rtol=1e-5)
        taken = alternate({"ours": lambda: score(EngineLM(engine)), "theirs": lambda: score(baseline)}, setting.repeats,
                          warm=False)
    return [Comparison(
        "HellaSwag's shape", "lm-eval's own vLLM backend, same engine", 2.5, "at least", taken["ours"], taken["theirs"],
        setting.label(), items, "items", f"{items} items, contexts of 35 to 55 words, four endings of 15 to 30; equal to 1e-5 "
        "relative")]  # fmt: skip
