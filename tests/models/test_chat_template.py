"""The switches of chat templates: pinned dates, thinking spans, several templates, broken ones."""

import pytest
from chat_families import family_template, family_tokenizer

from anatomy.errors import ModelError
from anatomy.models.chat_template import template_of
from anatomy.models.rendering import Rendering, render_text


def written(name, **options):
    return render_text(family_tokenizer(name), ["x"], Rendering(**options))[0]


def test_a_template_that_reads_the_clock_needs_a_pinned_date():
    with pytest.raises(ModelError, match="prints today's date") as caught:
        written("llama_3_2")
    assert "date" in caught.value.remedy
    assert "Today Date: 02 Jan 2025\n" in written("llama_3_2", date="2025-01-02")


def test_a_template_with_a_date_of_its_own_is_fixed_and_can_be_pinned_otherwise():
    assert "Today Date: 26 Jul 2024\n" in written("llama_3_1")
    assert "Today Date: 02 Jan 2025\n" in written("llama_3_1", date="2025-01-02")


def test_the_thinking_span_is_closed_open_or_left_to_the_template():
    closed = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert written("qwen_3", thinking=False).endswith(closed)
    assert written("qwen_3", thinking=True) == written("qwen_3") == written("qwen_3", thinking=False).replace(closed, closed[:22])


@pytest.mark.parametrize("thinking", [True, False])
def test_thinking_is_refused_where_there_is_no_switch(thinking):
    with pytest.raises(ModelError, match="without the switch enable_thinking"):
        written("qwen_2_5", thinking=thinking)
    with pytest.raises(ModelError, match="thinking switch without the chat template"):
        written("qwen_3", template=False, thinking=thinking)


def test_of_several_templates_the_default_is_used():
    tokenizer = family_tokenizer("qwen_3")
    tokenizer.chat_template = {"default": family_template("qwen_3"), "tool_use": "{{ strftime_now('%Y') }}"}
    assert template_of(tokenizer) == family_template("qwen_3")
    assert render_text(tokenizer, ["x"], Rendering()) == [written("qwen_3")]
    tokenizer.chat_template = {"tool_use": "x", "rag": "y"}
    with pytest.raises(ModelError, match="chat templates called rag, tool_use"):
        template_of(tokenizer)


def test_a_broken_template_is_named_as_such():
    tokenizer = family_tokenizer("qwen_3")
    tokenizer.chat_template = "{{ messages[0].content + suffix }}"
    with pytest.raises(ModelError, match="'suffix' is undefined") as caught:
        render_text(tokenizer, ["x"], Rendering())
    assert "mend the chat template" in caught.value.remedy


def test_new_options_leave_the_keys_of_old_rows_as_they_were():
    assert Rendering().key() == {"template": True, "system": None, "prefill": None, "date": None}
    assert Rendering(fold_system=True).key() == Rendering().key(), "nothing to fold"
    keys = [
        Rendering(system="s", **options).key() for options in ({}, {"thinking": True}, {"thinking": False}, {"fold_system": True})
    ]
    assert all(keys.count(key) == 1 for key in keys)
