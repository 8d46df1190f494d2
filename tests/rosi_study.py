"""A study of four models of one's own, and of the same four as an organism, with the evidence of a run that never happened."""

import pandas as pd
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.rates import benchmark_scores, refusal_rates
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.figures import Evidence

SETS = ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
MODELS = ("base", "weak", "aligned", "uncensored-1", "uncensored-2", "placebo-1")
SMALL = {"statistics": {"bootstrap": 100}, "report": {"examples": 3}}
OPTIONS = {"phase": "test", "confidence": 0.95, "seed": 0, "resamples": 100}


def own_models():
    """A base and an aligned model of one's own, as a user would write them."""
    return Config.model_validate(
        SMALL
        | {
            "organism": {"members": []},
            "models": {"base": {"folder": "b", "kind": "base"}, "weak": {"folder": "w", "base": "base"}},
            "prompt_sets": {name: {"file": f"{name}.csv", "label": name.split("_")[0]} for name in SETS},
            "extraction": {"safety_system_prompt": "Be kind."},
            "rosi": {"headline": ["weak"]},
            "selection": {"headline": ["weak"]},
            "benchmarks": {"tasks": []},
        }
    )


def organism(seeds=(0, 1)):
    """A family with a ladder and a placebo, for each seed."""
    return Config.model_validate(SMALL | {"organism": {"members": list(MODELS)}, "seeds": list(seeds)})


def evidence_of(tables, chance=None, bars=None, adapters=None, picks=None):
    """Evidence as `read_evidence` makes it."""
    metrics = {task: metric for task, (metric, _) in TASKS.items()}
    return Evidence(
        tables=tables,
        rates=refusal_rates(tables.judgements, tables.variants, judge="rules", **OPTIONS),
        scores=benchmark_scores(tables.samples, tables.variants, metrics=metrics, **OPTIONS),
        chance=dict.fromkeys(TASKS, 0.25) if chance is None else chance,
        bars=bars,
        adapters=pd.DataFrame() if adapters is None else adapters,
        picks=picks or {},
    )


def whole_evidence():
    """Evidence of the models `base` and `weak`."""
    return evidence_of(make_tables(models=("base", "weak"), controls=3, items=24), picks={("weak", "plain"): (-1, 3)})


def no_evidence():
    """What a run leaves where nothing was found: every table with its columns and without rows."""
    tables = make_tables(models=("base",), controls=1, items=4)
    names = ("completions", "judgements", "samples", "variants", "grid", "screen", "projections")
    return evidence_of(Tables(**{name: getattr(tables, name).iloc[:0] for name in names}), chance={})
