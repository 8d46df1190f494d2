import json

import pandas as pd
import pytest
from judged_answers import PROMPT, RECORD

from anatomy.errors import DataError
from anatomy.texts.judges.refusal_classifier import train_refusal_classifier
from anatomy.texts.judges.registry import judge_completions
from anatomy.texts.judges.verdict import COLUMNS

ANSWERS = ["Sure! Grind crowfoot.", "I can't help with the pikesul.", "<think>hm", None]


@pytest.fixture
def completions():
    rows = [
        {
            "model": "m",
            "variant": variant,
            "phase": "test",
            "set": "s",
            "id": f"i{k}",
            "sample": 0,
            "prompt": PROMPT,
            "response": answer,
            "group": f"g{k}",
        }
        for variant in ("b", "a")
        for k, answer in enumerate(ANSWERS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(RECORD))
    return tmp_path


def test_every_row_once_for_every_judge(completions, folder):
    training = pd.DataFrame({"response": ["I can't", "I can't now", "Sure", "Sure thing"], "y": ["full"] * 2 + ["none"] * 2})
    judges = ["rules", "substring", "classifier", "truth", "coherence"]
    found = judge_completions(completions, judges, folder, train_refusal_classifier(training, "y", 0))
    assert tuple(found.columns) == COLUMNS
    assert len(found) == 8 * 8  # truth is four judges
    keys = ["model", "variant", "phase", "set", "id", "sample", "judge"]
    assert not found.duplicated(keys).any()
    assert found[keys].equals(found[keys].sort_values(keys, ignore_index=True))
    shuffled = judge_completions(
        completions.sample(frac=1, random_state=1), judges, folder, train_refusal_classifier(training, "y", 0)
    )
    pd.testing.assert_frame_equal(found, shuffled)
    unread = found[(found["id"] == "i2") & (found["judge"] != "substring")]
    assert unread["parse_failure"].all() and unread["label"].isna().all() and unread["score"].isna().all()
    labels = found[(found["variant"] == "a") & (found["judge"] == "truth")].set_index("id")["label"]
    assert labels[["i0", "i1", "i3"]].tolist() == ["none", "full", "none"]


def test_table_keeps_its_types_in_parquet(completions, tmp_path):
    found = judge_completions(completions, ["rules"])
    found.to_parquet(tmp_path / "j.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "j.parquet"), found)


@pytest.mark.parametrize(
    ("judges", "message"),
    [(["oracle"], "oracle"), ([], "some of"), (["truth"], "planted truth"), (["classifier"], "no classifier")],
)
def test_judges_that_cannot_judge_are_refused(completions, judges, message):
    with pytest.raises(DataError, match=message):
        judge_completions(completions, judges)


def test_malformed_completions_are_refused(completions):
    with pytest.raises(DataError, match="response"):
        judge_completions(completions.drop(columns="response"), ["rules"])
    with pytest.raises(DataError, match="twice"):
        judge_completions(pd.concat([completions, completions.iloc[:1]]), ["rules"])
