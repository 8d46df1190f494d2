"""Number formats that a class of models or a machine cannot compute in, refused at the first check by the option's name."""

import json
from dataclasses import replace

import pytest
import torch
from examined_models import LARGE, NEEDS
from made_architecture import make_tiny_architecture
from tiny_architectures import ARCHITECTURES

from anatomy.errors import ConfigError
from anatomy.models.machine import formats
from anatomy.models.machine.formats import lacks_bfloat16, resolved
from anatomy.models.preflight import number_format
from anatomy.models.preflight.number_format import KNOWN, refused_formats, require_format, unsafe_in_float16
from anatomy.models.preflight.report import examine_model

GEMMA = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}


def test_vllms_own_list_is_read_from_its_source():
    assert unsafe_in_float16() == KNOWN


@pytest.mark.parametrize("name", ["Gemma 2", "Gemma 3"])
def test_gemma_in_float16_is_refused_before_anything_runs(name, tmp_path):
    folder = make_tiny_architecture(next(one for one in ARCHITECTURES if one.name == name), tmp_path)
    needs = replace(NEEDS, renderings={}, option="models.mine.dtype")
    problems = examine_model(folder, replace(needs, dtype="float16"), LARGE).problems
    (problem,) = [one for one in problems if isinstance(one, ConfigError)]
    assert problem.where == "models.mine.dtype" and "float16" in problem.found and "bfloat16 or float32" in problem.remedy
    for dtype in ("bfloat16", "float32"):
        assert not [
            one for one in examine_model(folder, replace(needs, dtype=dtype), LARGE).problems if one.where in needs.option
        ]


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"model_type": "gemma2"}, True),
        (GEMMA, True),
        ({"model_type": "shell", "text_config": {"model_type": "gemma3_text"}}, True),
        ({"model_type": "llama"}, False),
        ({}, False),
        ({"model_type": "gemma"}, False),
    ],
)
def test_nested_language_models_count_too(config, refused):
    assert ("float16" in refused_formats(config)) == refused
    if not refused:
        require_format("float16", config, "-")


@pytest.mark.parametrize(("config", "chosen"), [(GEMMA, "float32"), ({"model_type": "llama"}, "float16")])
def test_auto_never_is_a_refused_format(config, chosen, monkeypatch):
    """On a GPU of before Ampere ``auto`` is float16, but not for these."""
    monkeypatch.setattr(formats, "fast_format", lambda device=None: "float16")
    assert resolved("auto", refused_formats(config)) == chosen
    assert resolved("float16", refused_formats(config)) == "float16", "what somebody asked for is refused, not replaced"


@pytest.mark.parametrize(("config", "remedy"), [({"model_type": "llama"}, "or float16"), (GEMMA, "float32")])
def test_bfloat16_on_a_gpu_without_it_is_refused(config, remedy, monkeypatch):
    monkeypatch.setattr(number_format, "lacks_bfloat16", lambda: True)
    with pytest.raises(ConfigError, match="before Ampere") as caught:
        require_format("bfloat16", config, "models.mine.dtype")
    assert caught.value.remedy.endswith(remedy)
    require_format("float32", config, "-")


def test_a_machine_without_gpu_lacks_nothing():
    if not torch.cuda.is_available():
        assert not lacks_bfloat16()


def test_a_list_that_cannot_be_read_is_not_taken_for_an_empty_one(monkeypatch):
    monkeypatch.setattr(number_format, "assigned_names", lambda *names: frozenset())
    unsafe_in_float16.cache_clear()
    try:
        assert unsafe_in_float16() == KNOWN
    finally:
        unsafe_in_float16.cache_clear()


def test_a_model_judge_is_checked_too(tmp_path):
    from anatomy.stages.judge_card import write_judge_card

    folder = make_tiny_architecture(next(one for one in ARCHITECTURES if one.name == "Gemma 2"), tmp_path / "guard")
    judge = {"kind": "shieldgemma", "folder": str(folder), "hub": None, "revision": None, "dtype": "float16", "max_model_len": 16}
    with pytest.raises(ConfigError, match=r"model_judges\.guard\.dtype"):
        write_judge_card("guard", judge, tmp_path / "card.json")
    write_judge_card("guard", judge | {"dtype": "bfloat16"}, tmp_path / "card.json", say=lambda text: None)
    assert json.loads((tmp_path / "card.json").read_text())["dtype"] == "bfloat16"
