"""What figures, tables and the page are made from, read once from a run's files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.resampling import ResamplingOptions
from anatomy.evidence.claims.tables import Tables, read_tables
from anatomy.evidence.figures.rates import benchmark_scores, mean_divergences, refusal_rates
from anatomy.evidence.report.published import read_published
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.foreign_table import foreign_table
from anatomy.recipes.rosi.search import read_searches
from anatomy.recipes.rosi.variants import nearest, variants_in_memory
from anatomy.stages.judge_notes import read_notes
from anatomy.stages.kept_adapters import read_kept_adapters
from anatomy.stages.paper_report import Files
from anatomy.stages.selected_direction import read_selected
from anatomy.stages.task_facts import TaskFacts, read_tasks

TABLES = ("completions", "judgements", "samples", "variants", "grid", "screen", "picks", "projections", "divergences")

ANSWERED = ("completions", "judgements", "samples", "projections", "divergences")
"""Tables of what variants of the test split did."""


def read_evidence(config: Config, files: Files) -> Evidence:
    """Read a run.

    Args:
        files: table name to its files; besides the tables ``tasks``, ``selected``, ``judge_notes`` (JSON, one folder a model)
            and ``bars``.
    """
    tables = own_tables(config, files)
    wanted = config.statistics
    resampling: ResamplingOptions = {"confidence": wanted.confidence, "seed": wanted.seed, "resamples": wanted.bootstrap}
    tasks = {entry["task"]: entry for file in files.get("tasks", []) for entry in read_tasks(file)}
    bars = [pd.read_csv(file, dtype={"held": "boolean"}) for file in files.get("bars", [])]
    return Evidence(
        tables=tables,
        rates=refusal_rates(tables.judgements, tables.variants, judge=config.judges[0], phase="test", **resampling),
        scores=scores_of(tables, tasks, resampling),
        chance={name: entry["chance"] for name, entry in tasks.items()},
        bars=pd.concat(bars, ignore_index=True) if bars else None,
        adapters=pd.DataFrame([row for file in files.get("adapters", []) for row in read_kept_adapters(file)]),
        published=read_published(Path(config.rosi.published)) if config.rosi.published else None,
        directions={
            (file.parent.name, contrast): found for file in files["selected"] for contrast, found in read_selected(file).items()
        },
        searches=read_searches(files),
        metrics={name: entry["metric"] for name, entry in tasks.items()},
        foreign=foreign_table(files.get("foreign", [])),
        divergences=pd.DataFrame()
        if tables.divergences is None
        else mean_divergences(tables.divergences, tables.variants, phase="test", **resampling),
        judge_notes=pd.DataFrame([note_row(file) for file in files.get("judge_notes", [])]),
    )


def own_tables(config: Config, files: Files) -> Tables:
    """The tables of a run with ROSI's variants alone: the engine answers for other papers in the same files."""
    tables = read_tables({name: files[name] for name in TABLES if files.get(name)})
    if tables.variants is None:
        return tables
    own = tables.variants[(tables.variants["role"] == "base") | tables.variants["family"].isin(own_families(config))]
    known = pd.MultiIndex.from_frame(own[["model", "variant"]])
    kept = {
        name: table[pd.MultiIndex.from_frame(table[["model", "variant"]]).isin(known)]
        for name, table in tables.named.items()
        if name in ANSWERED
    }
    return tables.but(variants=own, **kept)


def own_families(config: Config) -> set[str]:
    """Families of the edits that ROSI asks for, of any model: its searches, and interventions on the selected direction."""
    found: set[str] = set()
    for subject in subjects(config):
        found |= {family.name for family in families(config, subject)}
        found |= {one.family for asked in variants_in_memory(config, subject) for one in (asked, nearest(asked))}
    return found


def note_row(file: Path) -> dict[str, object]:
    """What one judge could not judge of one pass, ``<model>/<pass>.<judge>.notes.json``, as a row."""
    notes = read_notes(file)
    failures = ", ".join(f"{number} of {name}" for name, number in notes["parse_failures"].items() if number) or "none"
    return {"model": file.parent.name, "pass": file.name.split(".")[0], **notes, "parse_failures": failures}


def scores_of(tables: Tables, tasks: dict[str, TaskFacts], resampling: ResamplingOptions) -> pd.DataFrame:
    """Benchmark scores with intervals; an empty table where nothing was benchmarked."""
    samples = tables.samples if tables.samples is not None else pd.DataFrame(columns=["model", "variant", "phase", "task"])
    metrics = {name: entry["metric"] for name, entry in tasks.items()}
    return benchmark_scores(samples, tables.variants, metrics=metrics, phase="test", **resampling)
