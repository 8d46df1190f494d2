"""PASTA's verdicts, figures, tables and sections, made from what a run left."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import NO_SEED, of_models
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.figures import draw
from anatomy.recipes.pasta.ledger import claims_of
from anatomy.recipes.pasta.page import TITLES, sections
from anatomy.recipes.pasta.pairs import asked_pairs
from anatomy.recipes.pasta.reading import read_evidence
from anatomy.recipes.pasta.tables import tabulate as tabulate_evidence
from anatomy.stages.paper_report import Files

__all__ = ["draw", "judge", "read_evidence", "sections", "tabulate", "title_of"]

PINS: tuple[str, ...] = ("scipy", "torch")
NOT_PINNED = {"transformers": "imported with the reader of directions; no model is opened"}


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of every pair, seed by seed."""
    evidence, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    known = {subject.id: subject for subject in subjects(config)}
    parts = []
    for seed in [*config.seeds, None]:
        own = [pair for pair in asked_pairs(config) if known[pair.aligned].seed == seed]
        if not own:
            continue
        members = [known[name] for name in sorted({name for pair in own for name in (pair.aligned, pair.base)})]
        truth = None if seed is None else evidence.truths.get(seed)
        claims = [claim for pair in own for claim in claims_of(config, pair, truth)]
        tables = of_models(evidence.tables, {subject.id for subject in members})
        if seed is None:
            tables = tables.without("set", config.evaluation.left_out)
            if reason := config.evaluation.left_out.get(config.pasta.prefixes):
                tables = tables.without("model", {subject.id: reason for subject in members})
        parts.append(evaluate_ledger(claims, tables, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def tabulate(name: str, config: Config, evidence: Evidence) -> pd.DataFrame:
    """One of its tables."""
    return tabulate_evidence(name, evidence)


def title_of(table: str) -> str:
    """Caption of a table."""
    return TITLES[table][1]
