"""The template control of a base that has no chat template: it is asked through its aligned partner's."""

import json
from pathlib import Path

import pandas as pd
import pytest
from pasta_study import card, pair, pasta_config, write_study
from pydantic import ValidationError
from tiny_model import make_tiny_model

from anatomy.config.options import options, restore
from anatomy.config.study import Layout
from anatomy.models.rendering import render
from anatomy.models.tokenizer import load_tokenizer
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.pairs import template_lender
from anatomy.recipes.pasta.stages.prefix_prompts import phase_prefixes, put

DATE = "2024-07-26"


@pytest.fixture
def study(tmp_path):
    """A pair whose base has neither a template nor a date; the aligned model has both."""
    folders = {name: make_tiny_model(tmp_path / name, seed=seed) for seed, name in enumerate(("plain", "tuned"))}
    (folders["plain"] / "chat_template.jinja").unlink()
    changed = pasta_config(tmp_path / "results", folders).model_dump(exclude_unset=True)
    changed["models"]["plain"]["template"] = False
    changed["models"]["tuned"]["date"] = DATE
    config = Config.model_validate(changed)
    write_study(Path(config.results))
    for subject in pair(config).values():
        path = Path(Layout(config.results).model(subject.id))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(card(subject, folders[subject.id])))
    return config, folders


JOBS = {
    "generation": ("seeds", "organism", "models", "pasta", "evaluation", "serving", "results"),
    "signature": ("models", "pasta", "evaluation", "results"),
}
"""Sections of the configuration that a rule names for a job; a job that reads another ends in an AttributeError."""


def shown(config, folders, role, manner, job="generation"):
    subject, config = pair(config)[role], restore(options(config, *JOBS[job]), Config)
    tokenizer = load_tokenizer(folders[subject.id])
    found = []
    for rendering, rows in put(config, subject, phase_prefixes(config, subject, "fit"), manner, tokenizer):
        found.append(pd.Series(map(tuple, render(tokenizer, list(rows["prompt"]), rendering)), rows["id"]))
    return pd.concat(found).sort_index()


@pytest.mark.parametrize("job", JOBS)
def test_both_models_see_the_same_tokens_in_a_chat(study, job):
    base, aligned = (shown(*study, role, "chat", job) for role in ("base", "aligned"))
    assert base.equals(aligned) and len(base)
    assert "Today is 26 Jul 2024." in load_tokenizer(study[1]["plain"]).decode(list(base.iloc[0]))


def test_documents_are_as_without_a_template(study):
    base, aligned = (shown(*study, role, "document") for role in ("base", "aligned"))
    assert base.equals(aligned) and not base.equals(shown(*study, "base", "chat"))


def test_texts_through_a_lent_template_are_kept_under_that_template(study):
    config, folders = study
    subject = pair(config)["base"]
    ((rendering, _),) = put(config, subject, phase_prefixes(config, subject, "fit"), "chat", load_tokenizer(folders["plain"]))
    assert rendering.key()["chat_template"] == load_tokenizer(folders["tuned"]).chat_template


def test_only_a_base_without_a_template_borrows_one(study):
    config, _ = study
    both = pair(config)
    assert template_lender(config, both["base"]) == "tuned"
    assert template_lender(config, both["aligned"]) is None
    changed = config.model_dump(exclude_unset=True)
    changed["models"]["plain"]["template"] = True
    own = Config.model_validate(changed)
    assert template_lender(own, pair(own)["base"]) is None


def test_an_aligned_model_without_a_template_is_refused_before_anything_runs(study):
    changed = study[0].model_dump(exclude_unset=True)
    changed["models"]["tuned"] = {**changed["models"]["tuned"], "template": False, "date": None}
    with pytest.raises(ValidationError, match=r"models\.tuned\.template is false.*asked in chats"):
        Config.model_validate(changed)
