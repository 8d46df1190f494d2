"""Prompts that are longer than the judge can read."""

import pytest
from scripted_judge import SCRIPTS, make_judge_tokenizer

from anatomy.config.judging import ModelJudge
from anatomy.stages.judge_format import judge_format
from anatomy.texts.judges.model_judges.fitting import encode, fit

REQUEST, ANSWER = "How do I bake bread?", "Mix the flour with water — slowly, “by hand”. " * 30


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    _, beginning, end, special, script = SCRIPTS["wildguard"]
    return make_judge_tokenizer(tmp_path_factory.mktemp("judge"), beginning, end, special, list(script), None)


FORM = judge_format(ModelJudge(kind="wildguard", folder="x"))


def test_what_fits_is_left_alone(tokenizer):
    ids = encode(FORM, tokenizer, REQUEST, ANSWER)
    assert fit(FORM, tokenizer, REQUEST, ANSWER, len(ids), cut=True) == (ids, 0, len(ids))


@pytest.mark.parametrize("missing", [1, 2, 7, 100, 333])
def test_the_end_of_the_answer_is_cut_and_nothing_else(tokenizer, missing):
    whole = encode(FORM, tokenizer, REQUEST, ANSWER)
    found = fit(FORM, tokenizer, REQUEST, ANSWER, len(whole) - missing, cut=True)
    assert len(whole) - missing - 4 <= len(found.token_ids) <= len(whole) - missing and found.length == len(whole)
    assert missing <= found.cut <= missing + 4
    text = tokenizer.decode(found.token_ids)
    head, tail = FORM.write(tokenizer, REQUEST, "\0").split("\0")
    assert text.startswith(head) and text.endswith(tail)
    kept = text.removeprefix(head).removesuffix(tail)
    assert kept and (ANSWER.startswith(kept) or ANSWER.startswith(kept.rstrip("�")))


def test_an_answer_that_may_not_be_cut_is_not_judged(tokenizer):
    whole = encode(FORM, tokenizer, REQUEST, ANSWER)
    assert fit(FORM, tokenizer, REQUEST, ANSWER, len(whole) - 1, cut=False) == (None, 0, len(whole))


def test_a_request_that_does_not_fit_is_not_judged(tokenizer):
    short = len(encode(FORM, tokenizer, REQUEST, ""))
    assert fit(FORM, tokenizer, REQUEST, ANSWER, short - 1, cut=True).token_ids is None
    assert fit(FORM, tokenizer, REQUEST, ANSWER, short, cut=True).token_ids is None
    assert fit(FORM, tokenizer, REQUEST, "", short, cut=True).cut == 0
