"""Which claims are tested on which model."""

from __future__ import annotations

from collections.abc import Sequence

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim
from anatomy.recipes.rosi.claims import Benchmark, Setting, amplification_claims, ladder_claim, realignment_claims
from anatomy.recipes.rosi.direction_claims import direction_claims, nearest_claims
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.foreign_claims import foreign_claims
from anatomy.recipes.rosi.planted_claims import ordering_claim, planted_claims
from anatomy.stages.selected_direction import Selected

LEAST_RANK = 19
"""Controls with which a rank p can reach 0.05. A model with fewer leaves claims against controls *inconclusive*."""


def setting_of(config: Config, subject: Subject, benchmarks: Sequence[Benchmark]) -> Setting:
    """Names and thresholds of a model's claims, all from the configuration."""
    wanted = config.statistics
    second = next((name for name in config.judges[1:] if name in ("classifier", "truth") and subject.is_organism), None)
    return Setting(
        harmful=config.evaluation.harmful,
        benign=config.evaluation.benign,
        jailbreaks=tuple(config.evaluation.jailbreaks),
        lookalikes=tuple(config.evaluation.lookalikes),
        benchmarks=tuple(benchmarks) if subject.kind in config.benchmarks.edited_kinds else (),
        judge=config.judges[0],
        second_judge=second,
        phase="test",
        benign_margin=wanted.benign_margin,
        benchmark_margin=wanted.benchmark_margin,
        min_controls=LEAST_RANK,
        control_level=wanted.control_level,
        large_effect=wanted.large_effect,
        separation=wanted.separation,
    )


def claims_of(config: Config, subject: Subject, benchmarks: Sequence[Benchmark], selected: Selected) -> list[Claim]:
    """Every claim of ROSI and of the papers under it that is tested on one model.

    Args:
        selected: what the search for its direction ended with; where no direction passed the published rule, what the nearest one
            does is tested beside the verdict that none did.
    """
    setting = setting_of(config, subject, benchmarks)
    names = [family.name for family in families(config, subject) if not family.control]
    forms = [name for name in names if "@" not in name]
    found = direction_claims(subject.id, subject.contrasts[0], setting)
    if selected[subject.contrasts[0]]["outcome"] == "nearest":
        found += nearest_claims(subject.id, setting)
    if subject.kind == "uncensored":
        for form in forms:
            plain = f"{form}@plain"
            found += realignment_claims(subject.id, form, plain if plain in names else None, setting)
    else:
        for form in forms:
            found += amplification_claims(subject.id, form, setting)
    for name in names:
        if name.partition("@")[2] in subject.foreign:
            found += foreign_claims(subject.id, name, setting)
    if subject.is_organism and forms:
        found += planted_claims(
            subject.id,
            "projection" if "projection" in forms else forms[0],
            setting,
            dependence=config.statistics.dependence,
            abolished=config.statistics.abolished,
            recognition=None,
            recognised=0.0,
        )
    return found


def family_claims(config: Config, seed: int | None, members: Sequence[Subject], benchmarks: Sequence[Benchmark]) -> list[Claim]:
    """Claims about several members of an organism's family: the planted order, and re-alignment along the ladder."""
    by_member = {subject.member: subject for subject in members if subject.seed == seed and subject.member is not None}
    found = []
    if {"base", "weak", "aligned"} <= set(by_member):
        order = [by_member[name].id for name in ("base", "weak", "aligned")]
        found.append(ordering_claim(order, order[-1], setting_of(config, by_member["aligned"], benchmarks)))
    rungs = [subject for name, subject in sorted(by_member.items(), key=depth) if name.startswith("uncensored")]
    if len(rungs) >= 2:
        for form in ("row_mean_signed", "projection"):
            found.append(ladder_claim([rung.id for rung in rungs], form, setting_of(config, rungs[-1], benchmarks)))
    return found


def depth(item: tuple[str, Subject]) -> int:
    """Place of a member on its ladder: ``uncensored-10`` comes after ``uncensored-2``."""
    return int(item[0].partition("-")[2] or 0)
