"""A study of a model that does not refuse: the contrast under a safety system prompt, and refusal tokens from somewhere."""

import pytest
from quick_run import ROOT

from anatomy.errors import ConfigError
from anatomy.quickstart.weak_models import OURS, TEXT, system_prompt_choices
from anatomy.recipes.configuration import check_config, load_config
from anatomy.recipes.effort import put


def study(choices):
    options = {
        "organism": {"members": []},
        "models": {"mine": {"folder": "m", "kind": "uncensored"}},
        "prompt_sets": {f"{side}_requests": {"file": f"{side}.csv"} for side in ("harmful", "benign")},
        "extraction": {},
        "selection": {"headline": []},
        "rosi": {"headline": []},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "judges": ["rules"],
        "benchmarks": {"tasks": []},
    }
    put(options, choices)
    return check_config(options, "mine.yaml")


def test_it_does_what_rosi_does_for_uncensored_models(tmp_path):
    found, paper = study(system_prompt_choices(OURS, tmp_path)), load_config(ROOT / "config" / "paper" / "rosi.yaml")
    assert found.extraction.contrasts["uncensored"] == paper.extraction.contrasts["uncensored"] == ["system", "plain"]
    assert found.extraction.safety_system_prompt == paper.extraction.safety_system_prompt == TEXT
    assert found.selection.refusal_tokens == "phrases" and found.evaluation.system is None


def test_a_text_of_ones_own_is_taken(tmp_path):
    (tmp_path / "careful.txt").write_text("\ufeffBe careful.\n", encoding="utf-8")
    assert study(system_prompt_choices("careful.txt", tmp_path)).extraction.safety_system_prompt == "Be careful."
    assert not system_prompt_choices(None, tmp_path)


@pytest.mark.parametrize(("name", "content"), [("none.txt", None), ("empty.txt", b" \n"), ("latin.txt", b"\xff\xfe\xff")])
def test_a_file_without_a_text_is_refused_by_name(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        system_prompt_choices(name, tmp_path)
