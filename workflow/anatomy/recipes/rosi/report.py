"""ROSI's verdicts, figures, tables and sections, made from what a run left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Claim
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import NO_SEED, of_models
from anatomy.recipes.rosi.absences import absences
from anatomy.recipes.rosi.candidates_table import candidates_table
from anatomy.recipes.rosi.claims import Benchmark
from anatomy.recipes.rosi.edits_table import edits_table
from anatomy.recipes.rosi.figures import Evidence, draw
from anatomy.recipes.rosi.ledger import claims_of, family_claims
from anatomy.recipes.rosi.page import sections
from anatomy.recipes.rosi.plans import TABLE_PLANS
from anatomy.recipes.rosi.reading import own_tables, read_evidence
from anatomy.recipes.rosi.selection_table import selection_table
from anatomy.recipes.rosi.tables import tabulate as tabulate_plan
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.paper_report import Files
from anatomy.stages.selected_direction import read_selected
from anatomy.store.files import read_json, read_table

PINS: tuple[str, ...] = ("scipy",)

__all__ = ["draw", "judge", "read_evidence", "sections", "tabulate", "title_of"]
PLANS = {plan.name: plan for plan in TABLE_PLANS}


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of a run, seed by seed.

    Args:
        files: ``tasks`` holds one JSON file a model and bucket.
    """
    run = own_tables(config, files)
    tasks = files["tasks"]
    wanted = config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    everyone = subjects(config)
    searched = [pd.concat([read_table(file) for file in files[name]], ignore_index=True) for name in ("screen", "picks")]
    parts = []
    for seed in [*config.seeds, None]:
        members = [subject for subject in everyone if subject.seed == seed]
        if not members:
            continue
        claims: list[Claim] = []
        absent: dict[tuple[str, str], str] = {}
        for subject in members:
            benchmarks = benchmarks_of([file for file in tasks if file.parent.name == subject.id])
            if not subject.is_organism:
                benchmarks += left_out_benchmarks(config)
            selected = read_selected(of_model(files["selected"], subject.id))
            claims += claims_of(config, subject, benchmarks, selected)
            tokens = read_refusal_tokens(of_model(files["refusal_tokens"], subject.id))
            absent |= absences(config, subject, tokens, selected, *(table[table["model"] == subject.id] for table in searched))
        if seed is not None:
            claims += family_claims(config, seed, members, benchmarks)
        tables = of_models(run, {subject.id for subject in members}).knowing(absent)
        if seed is None:
            tables = tables.without("set", config.evaluation.left_out).without("task", config.benchmarks.left_out)
        parts.append(evaluate_ledger(claims, tables, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def of_model(files: Sequence[Path], model: str) -> Path:
    """The file of a model among those of all models, each in a folder of its model's name."""
    return next(file for file in files if file.parent.name == model)


def benchmarks_of(files: Sequence[Path]) -> list[Benchmark]:
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


def tabulate(name: str, config: Config, evidence: Evidence) -> pd.DataFrame:
    """One of its tables: those of the paper, what the published rule picked, what the search of edits threw out, and what
    each edit moves."""
    if name in PLANS:
        return tabulate_plan(PLANS[name], config, evidence)
    return {"selection": selection_table, "candidates": candidates_table, "edits": edits_table}[name](config, evidence)


def title_of(table: str) -> str:
    """Caption of a printed table."""
    return PLANS[table].title
