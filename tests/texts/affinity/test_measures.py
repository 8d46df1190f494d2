"""Affinities: human text is nearest to human text, whatever measures it."""

import numpy as np
import pytest
from ngram_features import NgramFeatures

from anatomy.errors import DataError, NumericsError
from anatomy.models.scorer import Scorer
from anatomy.texts.affinity.features import ModelFeatures
from anatomy.texts.affinity.measures import fit_likelihood_ratio, fit_nearest_neighbour, fit_ngram_coverage
from anatomy.texts.affinity.table import affinity_summary, affinity_table, agreement, fit_affinities, mauve_summary

OPTIONS = {"confidence": 0.95, "seed": 0, "resamples": 200}
HUMAN = ["the fox sleeps in the cave.", "the owl sleeps in the river.", "the hare wakes in the cave."]


def test_the_likelihood_ratio_is_above_zero_on_human_text_and_below_on_the_rest():
    measure = fit_likelihood_ratio(HUMAN, ["Sure! I hope this helps you.", "Sure! let me know."])
    human, machine, empty = measure.score(["the owl sleeps in the cave.", "Sure! I hope you know.", " "])
    assert human > 0 > machine and np.isnan(empty)


def test_coverage_counts_ngrams_of_the_reference():
    measure = fit_ngram_coverage(HUMAN, n=2)
    assert measure.score(["the fox sleeps in the river", "fox the", "the"]).tolist()[:2] == [1.0, 0.0]
    assert np.isnan(measure.score(["the"])[0])
    with pytest.raises(DataError):
        fit_ngram_coverage(["one"], n=3)


def test_a_copy_of_a_human_text_is_as_near_as_can_be_and_groups_are_no_neighbours_of_themselves():
    measure = fit_nearest_neighbour(HUMAN, ["a", "b", "c"], NgramFeatures())
    same, other = measure.score([HUMAN[0], "Sure! let me know"])
    assert same == pytest.approx(1) and other < 0.5
    doubled = fit_nearest_neighbour([*HUMAN, *HUMAN], ["a", "b", "c"] * 2, NgramFeatures())
    assert doubled.scale == pytest.approx(measure.scale)
    with pytest.raises(NumericsError):
        fit_nearest_neighbour(["x", "x"], ["a", "b"], NgramFeatures())


def test_model_features_do_not_depend_on_the_batch(tiny):
    scorer = Scorer(tiny.model, tiny.tokenizer, tiny.digest)
    texts = ["the gate of the old mill", "cake", "Please write a short note about the moon."]
    together = ModelFeatures(scorer, token_budget=64)(texts)
    alone = np.concatenate([ModelFeatures(scorer, token_budget=1)([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5) and np.linalg.norm(together, axis=1) == pytest.approx(1)


def test_human_text_leads_every_measure_and_the_measures_agree(reference, measured):
    general = [*reference["response"], " Sure! I hope that this helps you: wait", " Sure! let me know if I can help you"]
    measures = fit_affinities(reference, general, NgramFeatures())
    scores = affinity_table(measured, measures, reference)
    assert len(scores) == 3 * len(measured) and scores["score"].notna().all()
    summary = affinity_summary(scores, **OPTIONS)
    wide = summary[summary["category"] == "all"].pivot_table(index="variant", columns="measure", values="estimate")
    assert (wide.loc["human"] > wide.loc["aligned"]).all() and (wide.loc["base"] > wide.loc["aligned"]).all()
    human = measured[measured["variant"] == "human"]
    sets = mauve_summary(measured, human, NgramFeatures(), confidence=0.9, seed=0, resamples=20)
    value = sets.set_index("variant")["estimate"]
    assert value["human"] == pytest.approx(1) and value["base"] > 0.5 > value["aligned"]
    assert (sets["low"] <= sets["estimate"] + 1e-9).all()
    found = agreement(summary[summary["category"] != "all"], by=("variant", "category"))
    assert len(found) == 3 and (found["n"] == 6).all() and (found["spearman"] > 0).all()


def test_a_prefix_on_both_sides_is_refused_and_degenerate_texts_are_counted(reference, measured):
    measures = fit_affinities(reference, list(reference["response"]), NgramFeatures())
    with pytest.raises(DataError, match="both sides"):
        affinity_table(reference, measures, reference)
    some = measured.assign(degenerate=["short"] + [""] * (len(measured) - 1))
    summary = affinity_summary(affinity_table(some, measures, reference), **OPTIONS).set_index(["variant", "category", "measure"])
    assert summary.loc[("human", "beasts", "ngram_coverage"), ["n", "excluded"]].tolist() == [24, 1]
    with pytest.raises(DataError, match="domain"):
        affinity_table(measured, {}, reference)


def test_a_variant_whose_texts_are_all_degenerate_is_counted_and_has_no_value(reference, measured):
    """An edit that breaks a small model: the others are measured all the same."""
    broken = measured["variant"] == "aligned"
    table = measured.assign(degenerate=broken.map({True: "repeats", False: ""}))
    human = measured[measured["variant"] == "human"]
    sets = mauve_summary(table, human, NgramFeatures(), confidence=0.9, seed=0, resamples=5).set_index("variant")
    assert np.isnan(sets.loc["aligned", "estimate"]) and sets.loc["aligned", ["n", "excluded"]].tolist() == [0, broken.sum()]
    assert sets.loc["human", "estimate"] == pytest.approx(1)
    summary = affinity_summary(
        affinity_table(table, fit_affinities(reference, list(reference["response"]), NgramFeatures()), reference), **OPTIONS
    )
    assert summary[summary["variant"] == "aligned"]["n"].eq(0).all()


def test_a_domain_with_one_human_text_is_excluded_and_counted(reference, measured):
    beasts = reference["category"] == "beasts"
    few = reference[~beasts | (reference["group"] == reference.loc[beasts, "group"].iloc[0])]
    measures = fit_affinities(few, list(reference["response"]), NgramFeatures())
    assert "beasts" not in measures and len(measures) == reference["category"].nunique() - 1
    summary = affinity_summary(affinity_table(measured, measures, few), **OPTIONS).set_index(["variant", "category", "measure"])
    for measure in ("likelihood_ratio", "ngram_coverage", "nearest_neighbour"):
        lost = summary.loc[("human", "beasts", measure)]
        assert (lost["n"], lost["excluded"]) == (0, 25) and np.isnan(lost["estimate"])
        assert summary.loc[("human", "all", measure), "excluded"] == 25
