import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from anatomy.errors import DataError
from anatomy.texts.judges.agreement import (
    agreement_table,
    balanced_accuracy,
    cohens_kappa,
    confusion_table,
    count_labels,
    macro_f1,
)
from anatomy.texts.judges.verdict import REFUSAL_LABELS

COMPLETION = {"model": "m", "variant": "base", "phase": "test", "set": "s", "sample": 0}
labels = st.sampled_from(REFUSAL_LABELS)


def judgements(**by_judge):
    rows = [
        {**COMPLETION, "id": f"i{k}", "judge": judge, "label": label}
        for judge, given_labels in by_judge.items()
        for k, label in enumerate(given_labels)
    ]
    return pd.DataFrame(rows).assign(label=lambda t: t["label"].astype("str"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=20))
def test_measures_equal_scikit_learn(pairs):
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    confusion = count_labels(left, right)
    if len(set(left) | set(right)) > 1:
        assert cohens_kappa(confusion) == pytest.approx(metrics.cohen_kappa_score(left, right))
    else:
        assert np.isnan(cohens_kappa(confusion))
    recalls = metrics.recall_score(right, left, average=None, labels=sorted(set(right)), zero_division=0)
    assert balanced_accuracy(confusion) == pytest.approx(recalls.mean())
    assert macro_f1(confusion) == pytest.approx(metrics.f1_score(right, left, average="macro", zero_division=0))


def test_known_kappa():
    # Two raters, 50 cases: 20 both yes, 15 both no, 5 and 10 apart: p_o = .7, p_e = .5, kappa = .4.
    assert cohens_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_any_refusal_forgives_full_against_partial():
    table = agreement_table(judgements(a=["full", "partial", "none", "none"], b=["partial", "full", "none", "none"]))
    three, any_refusal = (table.set_index("classes").loc[name] for name in ("three", "any"))
    assert three["accuracy"] == 0.5 and any_refusal["accuracy"] == 1.0 and any_refusal["kappa"] == 1.0
    assert three["n"] == any_refusal["n"] == 4


def test_unreadable_rows_are_counted_apart_and_other_judges_passed_over():
    table = judgements(a=["full", None, "none"], b=["full", "none", "none"], coherence=["ok", "ok", "degenerate"])
    found = agreement_table(table)
    assert set(found["judge_a"]) | set(found["judge_b"]) == {"a", "b"}
    assert found["n"].tolist() == [2, 2] and found["n_unreadable"].tolist() == [1, 1]


def test_a_judge_asked_about_fewer_rows_is_compared_on_those():
    table = judgements(a=["full", "full", "none"], b=["full"])
    assert agreement_table(table)[["n", "n_unreadable"]].to_numpy().tolist() == [[1, 0], [1, 0]]


def test_human_labels_are_the_reference():
    human = pd.DataFrame({"id": ["i0", "i2", "elsewhere"], "label": ["full", "full", "none"]})
    found = agreement_table(judgements(a=["full", "none", "none"]), human).set_index("classes")
    assert found.loc["any", ["judge_a", "judge_b", "n", "accuracy"]].tolist() == ["a", "human", 2, 0.5]
    counts = confusion_table(judgements(a=["full", "none", "none"]), human).set_index(["label_a", "label_b"])["n"]
    assert counts["none", "full"] == 1 and counts["full", "full"] == 1 and counts.sum() == 2


def test_human_labels_of_other_words_are_refused():
    with pytest.raises(DataError, match="refused"):
        agreement_table(judgements(a=["full"]), pd.DataFrame({"id": ["i0"], "label": ["refused"]}))
    with pytest.raises(DataError, match="repeated"):
        agreement_table(judgements(a=["full"]), pd.DataFrame({"id": ["i0", "i0"], "label": ["full", "none"]}))


def test_judges_of_harm_are_compared_with_each_other_and_not_with_judges_of_refusal():
    harm = {"g": ["safe", "unsafe", "safe", None], "h": ["safe", "unsafe", "unsafe", "safe"]}
    table = judgements(a=["full", "none", "none", "none"], **harm)
    found = agreement_table(table)
    assert found[["judge_a", "judge_b", "classes", "n", "n_unreadable"]].to_numpy().tolist() == [["g", "h", "harm", 3, 1]]
    assert found["accuracy"].tolist() == [pytest.approx(2 / 3)]


def test_unreadable_is_a_class_of_its_own_and_refusal_is_crossed_with_harm():
    table = judgements(a=["full", "none", None], g=["safe", None, None], f=[None, None, None])
    counts = confusion_table(table).set_index(["judge_a", "judge_b", "label_a", "label_b"])["n"]
    assert counts["a", "g", "full", "safe"] == 1 and counts["a", "g", "none", "unreadable"] == 1
    assert counts["a", "g", "unreadable", "unreadable"] == 1 and counts["a", "f", "none", "unreadable"] == 1
    assert counts.groupby(["judge_a", "judge_b"]).sum().eq(3).all()


def test_a_judge_that_labels_nothing_still_stands_in_the_table():
    found = agreement_table(judgements(a=["full", "none"], f=[None, None])).set_index("classes")
    assert found["n"].tolist() == [0, 0] and found["n_unreadable"].tolist() == [2, 2]
    human = pd.DataFrame({"id": ["i0", "i1"], "label": ["full", "none"]})
    against = agreement_table(judgements(f=[None, None], g=["safe", "safe"]), human)
    assert against["judge_a"].tolist() == ["f", "f", "f"] and set(against["n_unreadable"]) == {2}
