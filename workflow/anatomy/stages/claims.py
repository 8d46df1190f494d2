"""Judge every claim of a run on its tables, seed by seed."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.rules import Resampling
from anatomy.evidence.claims.tables import Tables, read_tables
from anatomy.recipes.rosi.claims import Benchmark
from anatomy.recipes.rosi.ledger import claims_of, family_claims
from anatomy.store.files import read_json

PINS: tuple[str, ...] = ("scipy",)

NO_SEED = -1
"""Stands in the ledger for models of your own, which have no organism seed."""


def benchmarks_of(files: list[Path]) -> list[Benchmark]:
    """The benchmarks of a model from what its evaluation wrote beside the samples."""
    found = {entry["task"]: entry for file in files for entry in read_json(file)}
    return [
        Benchmark(name, entry["metric"], entry["chance"], truthfulness="truthfulqa" in name)
        for name, entry in sorted(found.items())
    ]


def left_out_benchmarks(config: Config) -> list[Benchmark]:
    """Benchmarks that own models did without: their claims stand in the ledger as not testable here, with the reason.

    Nothing is measured, so neither metric nor chance level is ever used.
    """
    return [Benchmark(name, "score", 0.0, truthfulness="truthfulqa" in name) for name in sorted(config.benchmarks.left_out)]


def judge_claims(config: Config, files: dict[str, list[Path]]) -> pd.DataFrame:
    """The ledger of a run.

    Args:
        files: table name to its files; ``tasks`` holds one JSON file a model and bucket.
    """
    known = {part.name for part in fields(Tables) if part.init}
    tables = read_tables({name: paths for name, paths in files.items() if name in known})
    tasks = files["tasks"]
    wanted = config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    everyone = subjects(config)
    parts = []
    for seed in [*config.seeds, None]:
        members = [subject for subject in everyone if subject.seed == seed]
        if not members:
            continue
        claims = []
        for subject in members:
            benchmarks = benchmarks_of([file for file in tasks if file.parent.name == subject.id])
            if not subject.is_organism:
                benchmarks += left_out_benchmarks(config)
            claims += claims_of(config, subject, benchmarks)
        if seed is not None:
            claims += family_claims(config, seed, members, benchmarks)
        evidence = of_seed(tables, members)
        if seed is None:
            evidence = evidence.without("set", config.evaluation.left_out).without("task", config.benchmarks.left_out)
        parts.append(evaluate_ledger(claims, evidence, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def of_seed(tables: Tables, members: list[Subject]) -> Tables:
    """Only the rows of some models: seeds are shown one by one, never pooled."""
    ids = {subject.id for subject in members}
    own = {part.name: getattr(tables, part.name) for part in fields(Tables) if part.init}
    return Tables(**{name: None if table is None else table[table["model"].isin(ids)] for name, table in own.items()})
