"""A model's own answers, and the tokens its refusals begin with: its own, a relative's, or none."""

import pandas as pd
import pytest
import torch
from small_study import make_config, make_subject
from tiny_model import make_tiny_model

from anatomy.errors import StoreError
from anatomy.interventions.directions.refusal_tokens import published_words
from anatomy.models.loading import load_model
from anatomy.stages.own_answers import advice, answer, read_refusal_tokens, refusal_tokens
from anatomy.store.files import write_json

REFUSAL, COMPLIANCE = "I'm sorry, but I can't help with that.", "Take the flour and stir it."
SORRY, TAKE, FIRST = 7, 8, 9


def answers(refused, complied=10):
    return pd.DataFrame(
        {
            "response": [REFUSAL] * refused + [COMPLIANCE] * complied,
            "token_ids": [[SORRY, 1, 2]] * refused + [[TAKE if n % 2 else FIRST, 3] for n in range(complied)],
        }
    )


@pytest.fixture
def select(tmp_path):
    """Refusal tokens under options of the selection."""

    def derive(table, fallback=None, **options):
        return refusal_tokens(make_config(tmp_path, selection=options), make_subject(), table, fallback)

    return derive


@pytest.fixture
def relative(tmp_path):
    def write(**record):
        path = tmp_path / "refusal_tokens.json"
        counts = {
            "refusal_counts": {},
            "compliance_counts": {},
            "refusals": 9,
            "compliances": 9,
            "common_prefix": [],
            "source": "",
            "words": [],
        }
        write_json(path, {**counts, **record})
        return path

    return write


def test_a_model_that_refuses_has_tokens_of_its_own(select, relative):
    found = select(answers(6), relative(outcome="found", tokens=[99]))
    assert (found["outcome"], found["tokens"], found["refusals"]) == ("found", [SORRY], 6)


@pytest.mark.parametrize("refused", [0, 4])
def test_a_model_that_hardly_ever_refuses_borrows_tokens(select, relative, refused):
    found = select(answers(refused), relative(outcome="found", tokens=[41, 42]))
    assert (found["outcome"], found["tokens"], found["refusals"]) == ("borrowed", [41, 42], refused)


def test_nothing_is_borrowed_from_a_relative_that_has_none(select, relative):
    found = select(answers(0), relative(outcome="none found", tokens=[]))
    assert (found["outcome"], found["tokens"]) == ("none found", [])


def test_without_a_relative_there_are_none(select):
    assert select(answers(4))["outcome"] == "none found"
    assert select(answers(4), min_refusals=4)["outcome"] == "found"


def test_refusals_that_begin_as_compliances_do_give_no_tokens(select):
    table = answers(6).assign(token_ids=[[SORRY, n] for n in range(16)])
    # All answers begin alike, so the token after the common prefix counts; it is another one each time.
    found = select(table, token_refusal_share=0.5)
    assert found["common_prefix"] == [SORRY] and found["outcome"] == "none found"


def test_configured_tokens_win_and_the_evidence_stays(select):
    found = select(answers(6), refusal_tokens=[5])
    assert (found["outcome"], found["tokens"], found["refusal_counts"]) == ("configured", [5], {str(SORRY): 6})


def test_the_record_is_plain_json(select, tmp_path):
    write_json(tmp_path / "record.json", select(answers(6)))


def test_answers_cover_both_phases_and_sets_and_are_greedy(config, subject, tiny):
    first, second = answer(config, subject, tiny), answer(config, subject, tiny)
    pd.testing.assert_frame_equal(first, second)
    assert first.groupby(["phase", "set"]).size().to_dict() == {
        (phase, name): 4 for phase in ("fit", "select") for name in ("harmful_requests", "benign_requests")
    }
    assert (first["variant"] == "base").all() and first["n_tokens"].between(1, 3).all()
    assert [len(ids) for ids in first["token_ids"]] == list(first["n_tokens"])


def test_a_file_of_another_version_is_named(tmp_path):
    write_json(tmp_path / "refusal_tokens.json", {"outcome": "found", "tokens": [1]})
    with pytest.raises(StoreError, match="common_prefix"):
        read_refusal_tokens(tmp_path / "refusal_tokens.json")


@pytest.mark.parametrize(("which", "words"), [("published", ["I"]), ("phrases", ["I", "As"])])
def test_tokens_come_from_words_where_the_model_has_none_of_its_own(tmp_path, which, words):
    loaded = load_model(make_tiny_model(tmp_path / "model"), torch.float32, "cpu")
    config = make_config(tmp_path, selection={"refusal_tokens": which})
    found = refusal_tokens(config, make_subject(), answers(0), None, loaded)
    first = list(dict.fromkeys(loaded.tokenizer.encode(word, add_special_tokens=False)[0] for word in words))
    assert found["outcome"] == which and set(first) <= set(found["tokens"]) and found["refusals"] == 0
    assert found["source"] and "I" in found["words"][0]


@pytest.mark.parametrize(
    ("model_type", "words"), [("qwen2", ("I", "As")), ("qwen3", ("I", "As")), ("llama", ("I",)), ("gemma2", ("I",)), ("", ("I",))]
)
def test_the_papers_words_follow_the_type_of_model(model_type, words):
    assert published_words(model_type) == words


def test_a_model_that_refuses_nothing_gets_the_next_command(select):
    found = select(answers(0))
    assert "0 refusals in 10 answers" in advice(make_subject(), found) and "--system-prompt" in advice(make_subject(), found)
    assert advice(make_subject(), select(answers(0), refusal_tokens=[5])) == ""
