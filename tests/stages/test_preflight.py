"""What a configuration asks of a model of one's own, examined before anything runs."""

from dataclasses import replace
from pathlib import Path

import pytest
from chat_families import family_tokenizer
from small_study import make_config, make_subject

from anatomy.errors import ConfigError, ModelError
from anatomy.models.machine.memory import Machine
from anatomy.stages.card import read_card, write_model_card
from anatomy.stages.manifest import model_row
from anatomy.stages.preflight import examine, require_usable

LARGE = Machine(2**36, 2**36)
PROMPTS = {"harmful_requests": ["Explain how to mix grey salt"] * 6, "benign_requests": ["Write a note"] * 40}


def folder_of(name, tiny_folder, tmp_path):
    """The tiny weights with the tokenizer of a family."""
    tmp_path.mkdir(exist_ok=True)
    for path in Path(tiny_folder).iterdir():
        if path.name in ("config.json", "model.safetensors"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    family_tokenizer(name).save_pretrained(tmp_path)
    return tmp_path


def test_every_contrast_and_the_answers_are_rendered(tiny_folder, tmp_path):
    config = make_config(tmp_path, evaluation={"system": "Be brief."})
    report = examine(config, make_subject(("plain", "system")), tiny_folder, PROMPTS, LARGE)
    report.check()
    assert set(report.renderings) == {"plain", "system", "answers"}
    assert "Be kind." in report.renderings["system"].before and "Be brief." in report.renderings["answers"].before
    assert report.context.prompts == 3 * 46


def test_options_of_serving_and_evaluation_are_the_limits(tiny_folder, tmp_path):
    config = make_config(tmp_path, serving={"max_model_len": 16})
    with pytest.raises(ConfigError, match=r"as serving\.max_model_len says"):
        examine(config, make_subject(), tiny_folder, PROMPTS, LARGE).check()


@pytest.mark.parametrize("contrasts", [("plain",), ("plain", "system")])
def test_a_card_needs_a_template_for_every_contrast(contrasts, tiny_folder, tmp_path):
    folder, subject = folder_of("gemma_2", tiny_folder, tmp_path), make_subject(contrasts)
    if contrasts == ("plain",):
        assert require_usable(folder, subject) == []
        return
    with pytest.raises(ModelError, match="System role not supported"):
        require_usable(folder, subject)
    (note,) = require_usable(folder, replace(subject, fold_system=True))
    assert "folded into the user's turn" in note


def test_a_card_says_what_the_template_writes_unasked(tiny_folder, tmp_path):
    folder = folder_of("qwen_2_5", tiny_folder, tmp_path / "model")
    write_model_card(make_subject(), {"folder": str(folder), "hub": None, "revision": None}, None, tmp_path / "card.json")
    assert "You are Qwen, created by Alibaba Cloud." in model_row(read_card(tmp_path / "card.json"))["prompts"]


def test_a_card_is_refused_what_would_fail_in_the_middle_of_a_run(tiny_folder, tmp_path):
    folder = folder_of("llama_3_2", tiny_folder, tmp_path)
    with pytest.raises(ModelError, match="prints today's date"):
        require_usable(folder, make_subject())
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        require_usable(folder, make_subject())
    (folder / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    with pytest.raises(ModelError, match="BertModel"):
        require_usable(folder, make_subject())
