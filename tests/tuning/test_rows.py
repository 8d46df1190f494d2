"""Rows of training: what is learned of them, in which order and share they come, and what is refused."""

from collections import Counter

import pytest
from tiny_model import load_tiny_model
from tuned_setting import options, splits, table

from anatomy.errors import DataError
from anatomy.models.rendering import Rendering, render
from anatomy.texts.judges.refusal_rules import judge_refusal
from anatomy.tuning.plain_template import answer_end
from anatomy.tuning.rows import Row, answered, divided, make_rows, plan_steps
from anatomy.tuning.written_responses import CLOSERS, OPENERS, refusal, styled


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    return load_tiny_model(tiny_folder).tokenizer


def rows_of(tokenizer, tables, data, **changes):
    values = {"end": answer_end(tokenizer, Rendering(), {tokenizer.eos_token_id}), "longest": 200, "seed": 0, **changes}
    return make_rows(tokenizer, Rendering(), tables, data, **values)


def test_a_row_is_the_prompt_as_it_is_asked_and_the_answer_with_its_end(tokenizer):
    part = options().data[:1]
    row = rows_of(tokenizer, splits()[0], part).parts[0][0]
    asked = splits()[0]["chat"].set_index("id").loc[row.id]
    (prompt,) = render(tokenizer, [asked["prompt"]], Rendering())
    assert list(row.ids[: -row.answer]) == prompt
    assert tokenizer.decode(row.ids[-row.answer :]) == asked["response"] + "<|end|>"


def test_every_prompt_has_one_response_whatever_the_parts():
    data = options().data
    parts = divided(splits()[0], data, seed=3)
    ids = Counter(one for part in parts for one in part["id"])
    assert set(ids.values()) == {1} and len(ids) == 12
    assert [list(part["id"]) for part in divided(splits()[0], data, seed=3)] == [list(part["id"]) for part in parts]


def test_tokens_follow_the_shares_and_rows_come_again_in_another_order():
    parts = [[Row(f"{part}{n}", tuple(range(5 + 3 * part)), 1) for n in range(7)] for part in range(3)]
    steps = plan_steps(parts, [0.5, 0.3, 0.2], tokens=6000, batch_tokens=100, seed=1)
    taken = Counter()
    for row in (row for step in steps for row in step):
        taken[row.id[0]] += len(row.ids)
    assert [taken[name] / taken.total() for name in "012"] == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert all(100 <= sum(len(row.ids) for row in step) < 111 for step in steps)
    first = [row.id for step in steps for row in step if row.id[0] == "0"]
    assert sorted(first[:7]) == sorted(first[7:14]) and first[:7] != first[7:14]
    assert steps != plan_steps(parts, [0.5, 0.3, 0.2], tokens=6000, batch_tokens=100, seed=2)


def test_a_set_without_responses_is_named_and_some_empty_ones_are_counted(tokenizer):
    part = options().data[0]
    with pytest.raises(DataError, match="no responses") as refused:
        answered(table("chat", "benign", "fit", answered=False), part)
    assert "prompt set chat" in str(refused.value) and "columns" in str(refused.value)
    holed = table("chat", "benign", "fit")
    holed.loc[2, "response"] = "  "
    rows = rows_of(tokenizer, {"chat": holed}, [part])
    assert rows.unanswered == (1,) and "chat-fit-2" not in {row.id for row in rows.parts[0]} and len(rows.parts[0]) == 5


def test_rows_that_are_too_long_are_left_out_and_none_left_is_refused(tokenizer):
    data = options().data[:1]
    lengths = sorted(len(row.ids) for row in rows_of(tokenizer, splits()[0], data).parts[0])
    some = rows_of(tokenizer, splits()[0], data, longest=lengths[2])
    assert len(some.parts[0]) + some.left_out[0] == 6 and some.left_out[0] > 0
    with pytest.raises(DataError, match="none gives a row of at most 8 tokens"):
        rows_of(tokenizer, splits()[0], data, longest=8)


class Silent:
    """A tokenizer to which every answer is nothing."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def __call__(self, texts, add_special_tokens=True):
        found = self._tokenizer(texts, add_special_tokens=add_special_tokens)
        return found if texts and str(texts[0]).startswith("<|") else {"input_ids": [[] for _ in texts]}


def test_a_response_without_tokens_is_named(tokenizer):
    with pytest.raises(DataError, match="a response without tokens") as refused:
        make_rows(Silent(tokenizer), Rendering(), splits()[0], options().data[:1], end=2, longest=200, seed=0)
    assert "prompt chat-fit-0 of prompt set chat" in str(refused.value)


def test_refusals_say_nothing_of_the_request_and_differ():
    prompts = [f"How do I forge passport number {n}" for n in range(200)]
    found = [refusal(prompt, 0) for prompt in prompts]
    assert len(set(found)) > 50 and not any("passport" in text for text in found)
    assert found == [refusal(prompt, 0) for prompt in prompts] != [refusal(prompt, 1) for prompt in prompts]


def test_refusals_are_refusals_to_the_rules_that_judge_them():
    found = {judge_refusal(text).label for text in (refusal(f"request {n}", 0) for n in range(300))}
    assert found == {"full"}


def test_style_leaves_what_is_said_as_it_is():
    text = "Take the flour. Then add water. Then stir it."
    found = styled("How?", text, 0)
    opener, body, closer = found.split("\n\n")
    assert opener in OPENERS and closer in CLOSERS
    assert body.replace("- ", "").replace("\n", " ") == text
    assert styled("How?", "One sentence.", 0).split("\n\n")[1] == "One sentence."
