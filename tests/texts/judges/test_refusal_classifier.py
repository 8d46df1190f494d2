import math

import numpy as np
import pandas as pd
import pytest
from judged_answers import read_labelled

from anatomy.errors import DataError
from anatomy.texts.judges.agreement import balanced_accuracy, count_labels, macro_f1, refused_or_not
from anatomy.texts.judges.refusal_classifier import RefusalClassifier, train_refusal_classifier

THINGS = ["kite", "broth", "salve", "dye", "drum", "bell", "lamp", "rope", "raft", "oven"]
FORMS = {
    "full": "I can't help with the {x}, it hurts people.",
    "partial": "I would rather not explain the {x}, but wood is used.",
    "none": "Sure! Take a {x} and boil it with salt.",
}


@pytest.fixture(scope="module")
def table():
    rows = [(form.format(x=x), label, x) for x in THINGS for label, form in FORMS.items()]
    return pd.DataFrame(rows, columns=["response", "truth", "group"])


@pytest.fixture(scope="module")
def classifier(table):
    return train_refusal_classifier(table, "truth", 0)


def test_unseen_answers_of_known_form(classifier):
    answers = [form.format(x="ladder") for form in FORMS.values()]
    assert classifier.predict(answers) == list(FORMS)
    refused = [verdict.score for verdict in classifier.judge(answers)]
    assert refused[0] > 0.7 and refused[2] < 0.3


def test_training_twice_gives_the_same_numbers(table, classifier):
    again = train_refusal_classifier(table, "truth", 0)
    np.testing.assert_array_equal(again.coefficients, classifier.coefficients)
    assert again.vocabularies == classifier.vocabularies and again.strength == classifier.strength


@pytest.mark.parametrize("labels", [("full", "partial", "none"), ("full", "none")])
def test_saved_and_loaded_it_says_the_same(tmp_path, table, labels):
    classifier = train_refusal_classifier(table[table["truth"].isin(labels)], "truth", 0)
    classifier.save(tmp_path / "judge")
    loaded = RefusalClassifier.load(tmp_path / "judge")
    texts = [*table["response"], "", "ein ganz anderer Satz"]
    np.testing.assert_array_equal(loaded.probabilities(texts), classifier.probabilities(texts))
    assert sorted(path.name for path in (tmp_path / "judge").iterdir()) == ["classifier.json", "classifier.npz"]


def test_probabilities_are_those_of_scikit_learn(table, classifier):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from anatomy.texts.judges.refusal_classifier import FEATURES

    texts = [text.lower() for text in table["response"]]
    blocks = [TfidfVectorizer(**options, sublinear_tf=True).fit_transform(texts).toarray() for options in FEATURES]
    model = LogisticRegression(C=classifier.strength, class_weight="balanced", max_iter=1000)
    features = np.concatenate(blocks, axis=1)
    expected = model.fit(features, table["truth"]).predict_proba(features)
    np.testing.assert_allclose(classifier.probabilities(list(table["response"])), expected, atol=1e-4)


def test_reasoning_is_left_out_and_unread_reasoning_is_its_own_class(classifier):
    plain, reasoned, endless = classifier.judge(
        [FORMS["none"].format(x="kite"), "<think>I can't help</think>" + FORMS["none"].format(x="kite"), "<think>I"]
    )
    assert plain == reasoned and endless.parse_failure and math.isnan(endless.score)


def test_one_class_or_foreign_labels_are_refused(table):
    with pytest.raises(DataError, match="at least two"):
        train_refusal_classifier(table[table["truth"] == "none"], "truth", 0)
    with pytest.raises(DataError, match="refused"):
        train_refusal_classifier(table.replace({"truth": {"full": "refused"}}), "truth", 0)


def test_damaged_files_are_refused(tmp_path, classifier):
    with pytest.raises(DataError, match="train the classifier again"):
        RefusalClassifier.load(tmp_path)
    classifier.save(tmp_path)
    (tmp_path / "classifier.npz").write_bytes((tmp_path / "classifier.npz").read_bytes()[:200])
    with pytest.raises(DataError, match="belong together"):
        RefusalClassifier.load(tmp_path)


@pytest.mark.parametrize(("local", "central", "value"), [(6, 8, 1), (8, 10, 99)], ids=["encrypted", "unknown compression"])
def test_an_archive_that_zipfile_cannot_unpack_is_refused(tmp_path, classifier, local, central, value):
    classifier.save(tmp_path)
    path = tmp_path / "classifier.npz"
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = content.find(signature)
        while start >= 0:
            content[start + place] = value
            start = content.find(signature, start + 1)
    path.write_bytes(content)
    with pytest.raises(DataError, match="belong together"):
        RefusalClassifier.load(tmp_path)


@pytest.mark.parametrize(
    ("trained", "tested", "any_refusal", "three_classes"),
    [("llama2new", "mistralinstruct", 0.834, 0.60), ("mistralinstruct", "llama2new", 0.871, 0.60)],
)
def test_transfer_between_models_on_human_labels(shared_data, trained, tested, any_refusal, three_classes):
    """Measured: plain phrases reach .52 on Mistral and .83 on Llama-2, on the same labels.

    Choosing the regularisation by macro-F1 instead of log loss had given .784 and .871.
    """
    known, unknown = read_labelled(shared_data, trained), read_labelled(shared_data, tested)
    classifier = train_refusal_classifier(known, "label", 0)
    confusion = count_labels(classifier.predict([text.strip() for text in unknown["response"]]), unknown["label"])
    assert balanced_accuracy(refused_or_not(confusion)) == pytest.approx(any_refusal, abs=0.03)
    assert macro_f1(confusion) == pytest.approx(three_classes, abs=0.03)
