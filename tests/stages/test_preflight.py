"""What a configuration asks of a model of one's own, examined before anything runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from chat_families import family_tokenizer
from made_architecture import make_tiny_architecture
from small_study import make_config, make_subject
from tiny_architectures import ARCHITECTURES
from transformers import AutoTokenizer

from anatomy.errors import AnatomyError, ConfigError, ModelError
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


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantised with gptq"),
        (
            {
                "rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 16},
                "max_position_embeddings": 4096,
            },
            "model with LongRoPE",
        ),
    ],
)
def test_what_a_card_or_an_engine_would_refuse_is_found_at_the_first_check(tiny_folder, tmp_path, stated, found):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | stated))
    report = examine(make_config(tmp_path), make_subject(), folder, PROMPTS, LARGE)
    with pytest.raises(AnatomyError, match=found):
        report.check()


def test_a_model_whose_class_overflows_in_float16_is_refused_by_the_name_of_the_option(tmp_path):
    folder = make_tiny_architecture(next(one for one in ARCHITECTURES if one.name == "Gemma 3"), tmp_path / "model")
    config, asked = make_config(tmp_path), replace(make_subject(), dtype="float16")
    for check in (lambda: require_usable(folder, asked), lambda: examine(config, asked, folder, PROMPTS, LARGE).check()):
        with pytest.raises(ConfigError, match=r"models\.mine\.dtype: float16"):
            check()


def test_tokens_without_a_row_stop_a_card_if_the_template_writes_them(tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<|turn|>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    (note,) = require_usable(folder, make_subject())
    assert "'<|turn|>' (id 400)" in note
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|turn|>"))
    with pytest.raises(ModelError, match=r"token '<\|turn\|>' of id 400 in what the chat template"):
        require_usable(folder, make_subject())


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
