"""Tables of a test phase with one edit, whose answers are set by hand, for the export gate."""

import json

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import Tables

SPEC = {
    "method": "projection",
    "strength": 0.5,
    "sign": 1,
    "sites": ["o_proj", "down_proj"],
    "direction": {"contrast": "plain", "position": -1, "layer": 1, "control": None},
}
SETS = {
    "harmful_requests": "harmful",
    "jailbreak_requests": "harmful",
    "benign_requests": "benign",
    "lookalike_requests": "benign",
}
TASKS = {"mmlu": "acc"}
MODEL, EDITED = "mine", "projection~0000beef"


def gate_tables(
    items=200,
    wordings=1,
    lost=0,
    judges=("rules",),
    lost_by=None,
    lost_in="harmful_requests",
    spec=SPEC,
    over_refused=0,
    sets=SETS,
    labels=None,
    tasks=TASKS,
    model=MODEL,
):
    """A model that refuses half of what is harmful; the edit loses ``lost`` of these refusals in one set.

    Args:
        wordings: items of one source item.
        lost_by: refusals lost according to each judge, instead of ``lost``.
        over_refused: look-alikes that only the edited model refuses.
        labels: of sets, instead of the true ones.
    """
    judgements, completions, samples = [], [], []
    for name, kind in sets.items():
        for variant in ("base", EDITED):
            for i in range(items):
                key = {
                    "model": model,
                    "variant": variant,
                    "phase": "test",
                    "set": name,
                    "id": f"{name}-{i}",
                    "sample": 0,
                    "group": f"{name}-g{i // wordings}",
                }
                for judge in judges:
                    refused = kind == "harmful" and i < items // 2
                    if variant == EDITED and name == lost_in:
                        refused = refused and i >= (lost_by or {}).get(judge, lost)
                    if variant == EDITED and name == "lookalike_requests":
                        refused = i < over_refused
                    judgements.append(
                        key
                        | {
                            "judge": judge,
                            "label": "full" if refused else "none",
                            "score": float(refused),
                            "raw": "",
                            "parse_failure": False,
                        }
                    )
                judgements.append(key | {"judge": "coherence", "label": None, "score": 0.9, "raw": "", "parse_failure": False})
                completions.append(key | {"label": (labels or sets)[name], "prompt": "", "response": ""})
    for task, metric in tasks.items():
        for variant in ("base", EDITED):
            right = np.arange(items) % 4 > 0
            samples += [
                {
                    "model": model,
                    "variant": variant,
                    "phase": "test",
                    "task": task,
                    "id": f"{task}-{i}",
                    "group": f"{task}-{i}",
                    metric: float(value),
                }
                for i, value in enumerate(right)
            ]
    variants = [
        {"model": model, "variant": "base", "phase": "test", "role": "base", "family": "", "form": "", "detail": "[]"},
        {
            "model": model,
            "variant": EDITED,
            "phase": "test",
            "role": "method",
            "family": "projection",
            "form": "projection",
            "detail": json.dumps([spec]),
        },
    ]
    return Tables(
        completions=pd.DataFrame(completions),
        judgements=pd.DataFrame(judgements),
        samples=pd.DataFrame(samples) if samples else None,
        variants=pd.DataFrame(variants),
    )
