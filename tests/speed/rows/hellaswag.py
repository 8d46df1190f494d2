"""Choices of many tokens in HellaSwag's shape, against lm-eval's own vLLM backend on the same engine."""

from __future__ import annotations

from typing import Any

from speed.comparison import Comparison
from speed.engine_access import harness_model
from speed.questions import hellaswag_files
from speed.repeats import alternate
from speed.setting import Setting


def measure(setting: Setting) -> list[Comparison]:
    import numpy as np

    from anatomy.serving.benchmarks.engine_lm import EngineLM
    from anatomy.serving.benchmarks.harness import evaluate
    from anatomy.serving.benchmarks.tasks import real_tasks
    from anatomy.serving.packed_likelihood import open_packed

    items = setting.of(40, 3)
    data = hellaswag_files(setting, items)
    with setting.engine() as engine:
        # Opened by the library where it scores long choices: on a CPU beside the engine, on a GPU not at all.
        ours, theirs = EngineLM(engine, packed=open_packed(setting.model(), engine.dtype)), harness_model(engine)

        def score(lm: Any) -> Any:
            engine.reset_prefix_cache()
            return evaluate(lm, real_tasks(["hellaswag"], data), num_fewshot=0, fewshot_seed=0)

        one, other = score(ours), score(theirs)
        np.testing.assert_allclose(np.stack(one["loglikelihoods"]), np.stack(other["loglikelihoods"]), rtol=1e-5)
        taken = alternate({"ours": lambda: score(ours), "theirs": lambda: score(theirs)}, setting.repeats, warm=False)
    return [
        Comparison(
            "HellaSwag's shape",
            "lm-eval's own vLLM backend, same engine",
            2.5,
            "at least",
            taken["ours"],
            taken["theirs"],
            setting.label(),
            items,
            "items",
            f"{items} items, contexts of 35 to 55 words, four endings of 15 to 30; equal to 1e-5 relative",
        )
    ]
