"""Which claims are tested on which model."""

import pytest
from rosi_study import organism, own_models

from anatomy.config.study import subjects
from anatomy.evidence.claims.rules import RULES
from anatomy.recipes.rosi.claims import Benchmark
from anatomy.recipes.rosi.ledger import LEAST_RANK, claims_of, family_claims, setting_of

BENCHMARKS = [Benchmark("arc", "acc", 0.25), Benchmark("truthfulqa", "mc2", 0.5, truthfulness=True)]


def claimed(config, subject, outcome="picked"):
    """Claims of a model whose search for a direction ended in some way."""
    place = {"position": -1, "layer": 3} if outcome in ("picked", "nearest") else {"position": None, "layer": None}
    return claims_of(config, subject, BENCHMARKS, {name: {"outcome": outcome, **place} for name in subject.contrasts})


def everything(config):
    found = [claim for subject in subjects(config) for claim in claimed(config, subject)]
    for seed in config.seeds:
        members = [subject for subject in subjects(config) if subject.seed == seed]
        found += family_claims(config, seed, members, BENCHMARKS)
    return found


@pytest.mark.parametrize("config", [own_models(), organism()], ids=["own models", "organism"])
def test_a_claim_is_named_once_for_each_subject(config):
    names = [(claim.id, claim.subject) for claim in everything(config)]
    assert len(set(names)) == len(names) > 20


@pytest.mark.parametrize("config", [own_models(), organism()], ids=["own models", "organism"])
def test_claims_name_known_rules_and_models(config):
    known = {subject.id for subject in subjects(config)}
    for claim in everything(config):
        assert claim.subject in known and claim.tests and claim.sentence.endswith("."), claim.id
        assert all(test.rule in RULES for test in claim.tests), claim.id


def test_a_foreign_direction_is_asked_what_ones_own_is_and_no_paper_claims_it():
    plain = own_models()
    one = {"theirs": {"file": "theirs.gguf", "models": ["weak"], "made_by": "repeng"}}
    config = type(plain).model_validate(plain.model_dump() | {"directions": one})
    weak, others = (next(one for one in subjects(made) if one.id == "weak") for made in (config, plain))
    assert weak.foreign == ("theirs",) and [one for one in subjects(config) if one.id == "base"] == [
        one for one in subjects(plain) if one.id == "base"
    ]
    found = {claim.id: claim for claim in claimed(config, weak)}
    added = set(found) - {claim.id for claim in claimed(plain, others)}
    assert added and all("@theirs" in name and found[name].paper == "ours" for name in added)
    assert all("theirs" in found[name].sentence and "ROSI" not in found[name].sentence for name in added)
    own = {name.removesuffix(".row_mean") for name in found if name.endswith(".row_mean")}
    assert {name.removesuffix(".row_mean@theirs") for name in added if name.endswith(".row_mean@theirs")} == own


@pytest.mark.parametrize(("name", "models"), [("plain", ["weak"]), ("theirs", ["nobody"])])
def test_foreign_directions_of_nobody_or_by_a_taken_name_are_refused(name, models):
    plain, one = own_models(), {"file": "theirs.gguf", "models": models, "made_by": "repeng"}
    with pytest.raises(ValueError, match=rf"directions\S* (has|names) '{name if name == 'plain' else 'nobody'}'"):
        type(plain).model_validate(plain.model_dump() | {"directions": {name: one}})


def test_planted_truth_is_claimed_of_the_organism_alone():
    assert not any(claim.planted for claim in everything(own_models()))
    planted = {claim.subject for claim in everything(organism()) if claim.planted}
    assert planted >= {"base.s0", "placebo-1.s0", "weak.s1"}, "placebo and base too: there the claims must fail"


def test_uncensored_models_are_realigned_and_others_amplified():
    config = organism((0,))
    for subject in subjects(config):
        names = [claim.id for claim in claimed(config, subject)]
        realigned = any(name.startswith("rosi.realigned") for name in names)
        assert realigned == (subject.kind == "uncensored")
        assert any(name.startswith("rosi.harmful_refusal.") for name in names) != realigned


def test_an_uncensored_model_with_one_contrast_is_asked_what_its_edits_do():
    """Without directions from plain prompts there is nothing to compare with, and all else is claimed as ever."""
    config = organism((0,))
    config = config.model_copy(
        update={"extraction": config.extraction.model_copy(update={"contrasts": {**CONTRASTS, "uncensored": ["system"]}})}
    )
    for subject in (one for one in subjects(config) if one.kind == "uncensored"):
        names = {claim.id for claim in claimed(config, subject)}
        assert {"rosi.realigned.row_mean", "rosi.realigned_beyond_controls.row_mean"} <= names
        assert not any(name.startswith("rosi.system_prompt_helps") for name in names)


CONTRASTS = organism((0,)).extraction.contrasts


def test_the_published_form_is_always_among_the_claims():
    config = organism((0,))
    weak = next(subject for subject in subjects(config) if subject.member == "weak")
    names = {claim.id for claim in claimed(config, weak)}
    assert {
        "rosi.harmful_refusal.row_mean",
        "rosi.beyond_controls.row_mean",
        "rosi.utility.arc.row_mean",
        "rosi.truthfulness_raised.row_mean",
    } <= names


def test_the_second_judge_is_of_another_kind_and_the_organisms_only():
    config = organism((0,))
    assert setting_of(config, subjects(config)[0], []).second_judge == "classifier"
    config = own_models()
    setting = setting_of(config, subjects(config)[0], [])
    assert setting.second_judge is None and setting.judge == "rules" and setting.min_controls == LEAST_RANK
    assert setting.benign_margin == config.statistics.benign_margin


def test_the_ladder_is_read_from_the_mildest_rung_and_belongs_to_one_seed():
    config = organism()
    for seed in (0, 1):
        members = [subject for subject in subjects(config) if subject.seed == seed]
        claims = family_claims(config, seed, members, BENCHMARKS)
        assert {claim.subject for claim in claims if claim.id.startswith("rosi.ladder")} == {f"uncensored-2.s{seed}"}
        assert [claim.subject for claim in claims if claim.id == "planted.ordering"] == [f"aligned.s{seed}"]


def test_a_family_without_rungs_or_order_claims_neither():
    members = [subject for subject in subjects(organism((0,))) if subject.member in ("base", "uncensored-1")]
    assert family_claims(organism((0,)), 0, members, BENCHMARKS) == []


def test_a_direction_that_no_rule_kept_is_tested_as_ours_beside_the_papers_claims():
    config = own_models()
    weak = next(subject for subject in subjects(config) if subject.id == "weak")
    before, after = ({claim.id: claim for claim in claimed(config, weak, outcome)} for outcome in ("picked", "nearest"))
    ours = {name for name in after if name not in before}
    assert ours == {f"direction.nearest.{name}" for name in ("needed", "enough", "separates")}
    assert all(after[name].paper == "ours" and after[name].family != after["direction.needed"].family for name in ours)
