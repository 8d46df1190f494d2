"""What PASTA's claims, figures and page are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from anatomy.evidence.claims.tables import Tables
from anatomy.organism.truth import Planted
from anatomy.recipes.pasta.selected import SelectedSignature


@dataclass(frozen=True)
class Evidence:
    """What a run left for PASTA's claims, figures and page.

    Attributes:
        tables: all tables of the run; judgements hold detectors' scores too, higher for more machine-like.
        truths: what was planted, by organism seed.
        selected: what the selection of layers ended with, by aligned model.
        weights: gap between hooks and orthogonalised weights, one row a form.
        agreement: rank correlations of definitions of affinity, by aligned model.
        divergence: KL on harmless requests from the unedited model to each edit at all positions, with intervals.
        seeds: cosines of signatures across organism seeds (``anatomy.recipes.pasta.stages.signature_seeds``).
        published: the paper's released numbers (``published.read_published``); None where none are named.
    """

    tables: Tables
    truths: Mapping[int, Planted] = field(default_factory=dict)
    selected: Mapping[str, SelectedSignature] = field(default_factory=dict)
    weights: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    divergence: pd.DataFrame = field(default_factory=pd.DataFrame)
    seeds: pd.DataFrame = field(default_factory=pd.DataFrame)
    published: pd.DataFrame | None = None
