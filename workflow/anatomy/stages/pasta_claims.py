"""Judge every claim of PASTA on a run's tables, seed by seed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.rules import Resampling
from anatomy.recipes.pasta.ledger import claims_of
from anatomy.recipes.pasta.pairs import asked_pairs
from anatomy.stages.claims import NO_SEED, of_seed
from anatomy.stages.pasta_evidence import read_evidence

PINS: tuple[str, ...] = ("scipy", "torch")
NOT_PINNED = {"transformers": "imported with the reader of directions; no model is opened"}


def judge_claims(config: Config, files: dict[str, list[Path]]) -> pd.DataFrame:
    """The ledger of PASTA.

    Args:
        files: as ``pasta_evidence.read_evidence``.
    """
    evidence = read_evidence(config, files)
    wanted = config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    known = {subject.id: subject for subject in subjects(config)}
    parts = []
    for seed in [*config.seeds, None]:
        own = [pair for pair in asked_pairs(config) if known[pair.aligned].seed == seed]
        if not own:
            continue
        members = [known[name] for name in sorted({name for pair in own for name in (pair.aligned, pair.base)})]
        claims = [claim for pair in own for claim in claims_of(config, pair, evidence.truths.get(seed))]
        tables = of_seed(evidence.tables, members)
        if seed is None:
            tables = tables.without("set", config.evaluation.left_out)
            if reason := config.evaluation.left_out.get(config.pasta.prefixes):
                tables = tables.without("model", {subject.id: reason for subject in members})
        parts.append(evaluate_ledger(claims, tables, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)
