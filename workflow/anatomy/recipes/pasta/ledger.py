"""Which claims of PASTA are tested on which pair."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.evidence.claims.claim import Claim
from anatomy.organism.truth import Planted
from anatomy.recipes.pasta.ablation_claims import ablation_claims
from anatomy.recipes.pasta.claims import human_claims, localisation_claims, measurement_claims
from anatomy.recipes.pasta.cost_claims import cost_claims
from anatomy.recipes.pasta.judging import refusal_judge
from anatomy.recipes.pasta.pairs import Pair, detectors_of, measuring_detectors
from anatomy.recipes.pasta.planted_claims import planted_claims
from anatomy.recipes.pasta.setting import Setting

LEAST_RANK = 19
"""Controls with which a rank p can reach 0.05. A run with fewer leaves that claim *inconclusive*."""
PLACEBO = "placebo-1"
"""Whose styled wordings part the requests."""


def setting_of(config: Config, pair: Pair) -> Setting:
    """Names and thresholds of a pair's claims, all from the configuration."""
    pasta, wanted = config.pasta, config.statistics
    controls = {
        "orthogonal": pasta.controls.orthogonal,
        "equal_variance": pasta.controls.equal_variance,
        "principal": 1,
        "halves": 1,
    }
    return Setting(
        aligned=pair.aligned,
        base=pair.base,
        prefixes=pasta.prefixes,
        harmful=config.evaluation.harmful,
        benign=config.evaluation.benign,
        detectors=tuple(detectors_of(config, pair.aligned)),
        measured=tuple(measuring_detectors(config, pair.aligned)),
        refusal_judge=refusal_judge(config),
        controls=controls,
        kept_margin=pasta.kept_margin,
        refusal_margin=pasta.refusal_margin,
        opener_rate=pasta.opener_rate,
        random_opener_rate=pasta.random_opener_rate,
        large_effect=wanted.large_effect,
        certainty=wanted.confidence,
        min_controls=LEAST_RANK,
        control_level=wanted.control_level,
    )


def claims_of(config: Config, pair: Pair, truth: Planted | None) -> list[Claim]:
    """Every claim of PASTA that is tested on one pair; claims about what was planted only where its truth is known."""
    setting = setting_of(config, pair)
    found = [
        *measurement_claims(setting),
        *human_claims(setting),
        *ablation_claims(setting),
        *localisation_claims(setting),
        *cost_claims(setting),
    ]
    if truth is not None:
        found += planted_claims(setting, truth["placebos"][PLACEBO]["styled_templates"] if PLACEBO in truth["placebos"] else ())
    return found
