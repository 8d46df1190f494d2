"""What a rendering says of itself."""

import pytest
from chat_families import FAMILIES, family_tokenizer

from anatomy.errors import ModelError
from anatomy.models.rendering import Rendering, render_text, template_positions
from anatomy.models.rendering_facts import describe_rendering

QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def facts(name, **options):
    return describe_rendering(family_tokenizer(name), Rendering(**options))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_stands_around_the_instruction_is_the_rendering(name):
    tokenizer, rendering = family_tokenizer(name), Rendering(date="2024-07-26", prefill="Sure")
    found = describe_rendering(tokenizer, rendering)
    assert render_text(tokenizer, ["the mill"], rendering) == [f"{found.before}the mill{found.after}"]
    assert found.positions == template_positions(tokenizer, rendering) and len(found.position_tokens) == len(found.positions)


def test_only_qwen_2_5_writes_a_system_prompt_of_its_own():
    found = {name: facts(name, date="2024-07-26").default_system for name in FAMILIES}
    assert {name: text for name, text in found.items() if text} == {"qwen_2_5": QWEN}
    assert any(QWEN in note for note in facts("qwen_2_5").notes)
    assert facts("qwen_2_5", system="Be kind.").default_system is None and facts("qwen_2_5", system="").notes == ()


def test_which_templates_have_a_place_for_a_system_prompt():
    assert {name for name in FAMILIES if not facts(name, date="2024-07-26").system_role} == {
        "gemma_2",
        "mistral_7b_v0_2",
        "phi_3_medium",
    }


def test_folding_is_labelled():
    (note,) = facts("gemma_2", system="Be kind.", fold_system=True).notes
    assert "folded into the user's turn" in note and "no system role" in note
    (note,) = facts("yi", system="Be kind.", fold_system=True).notes
    assert "system role that is left unused" in note
    assert facts("gemma_2", fold_system=True).notes == ()


def test_thinking_is_said_where_it_can_be_switched():
    assert [facts("qwen_3", thinking=state).thinking for state in (None, True, False)] == [True, True, False]
    assert "by its own default it is on" in facts("qwen_3").notes[0] and facts("qwen_3", thinking=True).notes == ()
    assert facts("yi").thinking is None


def test_dates_are_said():
    assert facts("llama_3_1").own_date == "26 Jul 2024" and "prints its own: 26 Jul 2024" in facts("llama_3_1").notes[0]
    pinned = facts("llama_3_1", date="2024-07-26")
    assert pinned.prints_date and pinned.own_date is None and pinned.notes == ()
    silent = family_tokenizer("yi")
    silent.chat_template = "{{ 'On ' + date_string if date_string is defined }}" + silent.chat_template
    found = describe_rendering(silent, Rendering())
    assert found.prints_date and found.own_date is None and found.notes == ()
    assert not facts("yi").prints_date and "prints none" in facts("yi", date="2024-07-26").notes[0]


def test_who_writes_the_beginning_token():
    assert facts("llama_3").beginning == "template" and facts("qwen_3").beginning == facts("yi").beginning == "nobody"
    assert facts("llama_3", template=False).beginning == "tokenizer"
    silent = family_tokenizer("llama_3")
    silent.chat_template = silent.chat_template.replace("bos_token", "''")
    found = describe_rendering(silent, Rendering())
    assert found.beginning == "nobody" and "does not write" in found.notes[0]


def test_a_template_that_loses_or_repeats_the_prompt_is_refused():
    for template in ("<s>", "{{ messages[-1].content }} {{ messages[-1].content }}|"):
        tokenizer = family_tokenizer("yi")
        tokenizer.chat_template = template
        with pytest.raises(ModelError, match="times in the rendered text"):
            describe_rendering(tokenizer, Rendering())
