"""A study of four models of one's own, and of the same four as an organism, with the evidence of a run that never happened."""

import pandas as pd
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.rates import benchmark_scores, refusal_rates
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.figures import Evidence
from anatomy.store.files import write_json

SETS = ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
MODELS = ("base", "weak", "aligned", "uncensored-1", "uncensored-2", "placebo-1")
SMALL = {"statistics": {"bootstrap": 100}, "report": {"examples": 3}}
LOST = "refuses more benign requests by +0.400 [+0.200, +0.600], limit 0.05"
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


def evidence_of(tables, chance=None, bars=None, adapters=None, directions=None):
    """Evidence as `read_evidence` makes it."""
    metrics = {task: metric for task, (metric, _) in TASKS.items()}
    return Evidence(
        tables=tables,
        rates=refusal_rates(tables.judgements, tables.variants, judge="rules", **OPTIONS),
        scores=benchmark_scores(tables.samples, tables.variants, metrics=metrics, **OPTIONS),
        chance=dict.fromkeys(TASKS, 0.25) if chance is None else chance,
        bars=bars,
        adapters=pd.DataFrame() if adapters is None else adapters,
        directions=directions or {},
        metrics=metrics,
    )


def whole_evidence():
    """Evidence of the models `base` and `weak`."""
    return evidence_of(
        make_tables(models=("base", "weak"), controls=3, items=24),
        directions={("weak", "plain"): {"outcome": "picked", "position": -1, "layer": 3}},
    )


def no_evidence():
    """What a run leaves where nothing was found: every table with its columns and without rows."""
    tables = make_tables(models=("base",), controls=1, items=4)
    names = ("completions", "judgements", "samples", "variants", "grid", "screen", "projections")
    return evidence_of(Tables(**{name: getattr(tables, name).iloc[:0] for name in names}), chance={})


def write_searches(folder, models, outcome="picked", refusals=9, picked=True):
    """What the searches of models left, by the names of ROSI's evidence: refusal tokens, directions, candidates."""
    place = {"position": -1, "layer": 3} if outcome in ("picked", "nearest") else {"position": None, "layer": None}
    counts = {"refusal_counts": {}, "compliance_counts": {}, "refusals": refusals, "compliances": 144 - refusals}
    files = {"refusal_tokens": [], "selected": [], "picks": []}
    for model in models:
        for name in files:
            files[name].append(folder / name / model / f"{name}.{'parquet' if name == 'picks' else 'json'}")
            files[name][-1].parent.mkdir(parents=True, exist_ok=True)
        tokens = {
            "outcome": "found" if refusals else "none found",
            "tokens": [7] if refusals else [],
            "common_prefix": [],
            "source": "",
            "words": [],
        }
        write_json(files["refusal_tokens"][-1], {**tokens, **counts})
        write_json(files["selected"][-1], {name: {"outcome": outcome, **place} for name in ("plain", "system")})
        rows = [
            {"model": model, "family": family, "place": 1, "picked": picked, "reason": "within the limits" if picked else LOST}
            | {"layer": 3, "strength": 1.0, "sign": 1, "harmful_rise": 0.2, "benign_rise": 0.0}
            for family in ("row_mean", "row_mean_signed", "projection")
        ]
        pd.DataFrame(rows).to_parquet(files["picks"][-1], index=False)
    return files
