import copy

import pytest

from anatomy.errors import ModelError
from anatomy.models.rendering import Rendering, render, template_positions

CHAT = Rendering(template=True, system=None, prefill=None, date=None)


def with_template(tokenizer, template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def test_template_rendering_has_one_beginning_token(tiny):
    (ids,) = render(tiny.tokenizer, ["How do I make a cake?"], CHAT)
    assert ids.count(tiny.tokenizer.bos_token_id) == 1
    assert tiny.tokenizer.decode(ids) == "<|begin|><|user|>\nHow do I make a cake?<|end|>\n<|assistant|>\n"


def test_plain_rendering_has_one_beginning_token(tiny):
    plain = Rendering(template=False)
    for prompt in ("the mill", "<|begin|>the mill"):
        (ids,) = render(tiny.tokenizer, [prompt], plain)
        assert ids.count(tiny.tokenizer.bos_token_id) == 1
        assert tiny.tokenizer.decode(ids) == "<|begin|>the mill"


def test_system_prefill_and_date_are_rendered(tiny):
    rendering = Rendering(system="Be careful.", prefill="Sure,", date="2024-07-26")
    (ids,) = render(tiny.tokenizer, ["a note"], rendering)
    text = tiny.tokenizer.decode(ids)
    assert text.endswith("<|assistant|>\nSure,")
    assert "<|system|>\nBe careful.<|end|>" in text
    assert "Today is 26 Jul 2024." in text


def test_any_text_survives(tiny):
    prompt = "Ünïcode 你好 \t 🙂 7"
    (ids,) = render(tiny.tokenizer, [prompt], CHAT)
    assert prompt in tiny.tokenizer.decode(ids)


def test_template_positions_cover_exactly_the_template_tail(tiny):
    tail = tiny.tokenizer("<|end|>\n<|assistant|>\n", add_special_tokens=False).input_ids
    positions = template_positions(tiny.tokenizer, CHAT)
    assert positions == list(range(-len(tail), 0))
    for prompt in ("x", "How do I open the gate?"):
        (ids,) = render(tiny.tokenizer, [prompt], CHAT)
        assert [ids[p] for p in positions] == tail


def test_template_positions_include_the_prefill(tiny):
    extra = tiny.tokenizer("Sure", add_special_tokens=False).input_ids
    grown = template_positions(tiny.tokenizer, Rendering(prefill="Sure"))
    assert len(grown) == len(template_positions(tiny.tokenizer, CHAT)) + len(extra)


def test_plain_text_stands_in_with_its_last_token(tiny):
    assert template_positions(tiny.tokenizer, Rendering(template=False)) == [-1]


def test_missing_template_is_refused(tiny):
    with pytest.raises(ModelError, match="no chat template"):
        render(with_template(tiny.tokenizer, None), ["x"], CHAT)


def test_system_prompt_without_template_is_refused(tiny):
    with pytest.raises(ModelError, match="without the chat template"):
        render(tiny.tokenizer, ["x"], Rendering(template=False, system="Be careful."))


def test_template_that_refuses_or_drops_the_system_prompt_is_refused(tiny):
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}x"
    dropping = "{{ messages[-1]['content'] }}|"
    for template, message in ((refusing, "no system"), (dropping, "drops the system prompt")):
        with pytest.raises(ModelError, match=message):
            render(with_template(tiny.tokenizer, template), ["x"], Rendering(system="Be careful."))


def test_unpinned_date_is_refused_and_pinned_date_is_used(tiny):
    dated = with_template(tiny.tokenizer, "{{ strftime_now('%Y/%m/%d') }} {{ messages[0]['content'] }}|")
    with pytest.raises(ModelError, match="pinned date"):
        render(dated, ["x"], CHAT)
    (ids,) = render(dated, ["x"], Rendering(date="2024-07-26"))
    assert dated.decode(ids) == "2024/07/26 x|"


def test_template_without_tail_is_refused(tiny):
    with pytest.raises(ModelError, match="no tokens after the instruction"):
        template_positions(with_template(tiny.tokenizer, "{{ messages[0]['content'] }}"), CHAT)
