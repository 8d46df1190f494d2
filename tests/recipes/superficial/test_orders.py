"""The template control: which orders there are, who is spoken to how, and what of a divergence the template alone makes."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from small_study import make_card
from tiny_model import make_tiny_model

from anatomy.config.study import Layout, Subject, subjects
from anatomy.config.subjects import Model
from anatomy.interventions.edits.head import head_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering, render
from anatomy.models.tokenizer import load_tokenizer
from anatomy.recipes.configuration import check_config
from anatomy.recipes.superficial.pairs import Pair, asked_otherwise, ordered_heads, orders, spoken_to, way_of
from anatomy.recipes.superficial.speaking import speaking
from anatomy.recipes.superficial.stages.diagnostics import BASE, Pairing, diagnose, open_pair
from anatomy.recipes.superficial.stages.orders import HEAD, TEMPLATE, by_order
from anatomy.recipes.superficial.variants import asked
from anatomy.store.files import write_json

SUBJECTS = {
    "base": Subject("plain", "base", None, None, (), False, "float32"),
    "aligned": Subject("tuned", "aligned", None, None, (), False, "float32"),
}
SWITCHES = {"template": True, "date": "2024-07-26", "thinking": False, "fold_system": True}
DATED = replace(SUBJECTS["aligned"], **SWITCHES)
KINDS = {"plain": "base", "tuned": "aligned"}


def config_with(**superficial):
    return check_config(
        {
            "recipes": ["superficial"],
            "judges": ["rules"],
            "organism": {"members": ["base", "aligned", "placebo-1"]},
            "selection": {"headline": ["aligned"]},
            "rosi": {"headline": ["aligned"]},
            "superficial": superficial,
        },
        "mine.yaml",
    )


def test_an_order_is_another_than_the_pairs_own_and_takes_no_template_that_is_not_there():
    config, found = config_with(orders=["chat-plain", "plain-chat", "plain-plain", "chat-chat"]), {}
    for both in ((True, True), (True, False), (False, True), (False, False)):
        own = dict(zip(("mine", "start"), (Model(folder="/m", kind="base", template=one) for one in both), strict=True))
        found[both] = orders(config.model_copy(update={"models": own}), Pair("mine", "start", "mine", False))
    assert found == {
        (True, True): ["chat-plain", "plain-chat", "plain-plain"],
        (True, False): ["plain-chat", "plain-plain", "chat-chat"],  # the base through its partner's template
        (False, True): ["plain-plain"],
        (False, False): [],
    }
    assert way_of("chat-plain", "aligned") == "template" and way_of("chat-plain", "base") == "plain"


def test_in_a_lent_template_stand_the_partners_date_and_switches_and_on_plain_text_none():
    pair = {"base": replace(SUBJECTS["base"], template=False), "aligned": DATED}
    assert spoken_to(pair, "base", "template") == replace(pair["base"], **SWITCHES)
    assert spoken_to(pair, "base", "plain") == pair["base"]
    plain = spoken_to(pair, "aligned", "plain")
    assert (plain.template, plain.thinking, plain.fold_system) == (False, None, False)
    assert spoken_to(pair, "aligned", "template") == DATED


def test_a_base_without_a_template_answers_through_its_partners(tmp_path):
    folders = {name: make_tiny_model(tmp_path / name, seed=seed) for seed, name in enumerate(("plain", "tuned"))}
    (folders["plain"] / "chat_template.jinja").unlink()
    whole = config_with(orders=["plain-chat"])
    models = {name: Model(folder=str(folders[name]), kind=kind, template=name == "tuned") for name, kind in KINDS.items()}
    models["tuned"] = models["tuned"].model_copy(update={"date": "2024-07-26"})
    asked_of = whole.superficial.model_copy(update={"pairs": {"tuned": "plain"}})
    config = whole.model_copy(update={"models": models, "results": str(tmp_path / "results"), "superficial": asked_of})
    base = next(subject for subject in subjects(config) if subject.id == "plain")
    write_json(Path(Layout(config.results).model("tuned")), {**make_card(folders["tuned"]), "id": "tuned"})
    prompts = pd.DataFrame(
        {"id": ["a"], "prompt": ["the mill"], "category": ["x"], "split": ["test"], "pair": [""], "response": [""]}
    )
    spoken = speaking(config, base, {**make_card(folders["plain"]), "id": "plain"}, "test")
    spoken.prompts = lambda name: prompts
    ((rendering, _, rows),) = spoken.rows("benign_requests", "template")
    tokenizers = {name: load_tokenizer(folder) for name, folder in folders.items()}
    seen = render(tokenizers["plain"], list(rows["prompt"]), rendering)
    assert seen == render(tokenizers["tuned"], ["the mill"], Rendering(date="2024-07-26"))
    ((rendering, _, _),) = spoken.rows("benign_requests", "plain")
    assert not rendering.template and rendering.chat_template is None


def test_only_what_the_engine_does_not_ask_is_asked_in_other_manners():
    config = config_with()
    base, aligned, placebo = ({s.member: s for s in subjects(config)}[name] for name in ("base", "aligned", "placebo-1"))
    assert [head.name for head in ordered_heads(config, base)] == ["aligned-chat-plain", "aligned-plain-chat"]
    edit = {"method": "saved", "folder": "f", "digest": "d", "intent": "amplify"}
    found = {f"superficial.{head.name}": edit for head in ordered_heads(config, base)}
    wanted = {one.variant.slug: one for one in asked(config, base, "test", found)}
    assert set(wanted) == {"as-plain", "aligned-chat-plain", "aligned-plain-chat", "in-context"}
    assert wanted["aligned-plain-chat"].manner == "template" and wanted["as-plain"].variant.edits == ()
    assert [one.variant.slug for one in asked(config, aligned, "test", {})] == ["as-plain"]
    assert asked(config, placebo, "test", {}) == [] and not asked_otherwise(config, placebo)
    bare = config_with(orders=[], baselines={"demonstrations": 0, "examples": 0})
    assert not any(asked_otherwise(bare, subject) for subject in subjects(bare))


@pytest.mark.parametrize("wanted", [[], ["chat-plain"], ["plain-chat"], ["plain-plain"], ["chat-plain", "plain-chat"]])
def test_a_rule_runs_for_the_models_that_something_is_asked_of_and_no_others(wanted):
    for examples in (0, 3):
        config = config_with(orders=wanted, baselines={"demonstrations": examples, "examples": 0})
        for subject in subjects(config):
            found = {f"superficial.{head.name}": {} for head in ordered_heads(config, subject)}
            assert asked_otherwise(config, subject) == bool(asked(config, subject, "test", found))


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return {role: make_card(make_tiny_model(folder / role, seed=seed)) for role, seed in (("base", 0), ("aligned", 1))}


def answers():
    rows = [
        {"variant": "base", "set": "s", "id": f"p{n}", "group": f"g{n}", "prompt": f"Tell me how to open the gate {n}"}
        | {"response": "Sorry, I cannot help", "finish_reason": "stop", "withheld": None}
        for n in range(70)
    ]
    return pd.DataFrame(rows)


def paired(cards, models):
    """Both models, with a head that is too small to change anything."""
    checkpoint = Checkpoint(Path(cards["base"]["folder"]))
    tiny = torch.full_like(models["base"].model.lm_head.weight, 1e-12)
    edit = head_edit({"maker": "a test", "name": "none"}, "measure", checkpoint, tiny)
    return Pairing(SUBJECTS, models, {"none": edit}, lambda states: states @ tiny.T, 1)


def test_the_template_alone_moves_nothing_where_both_are_spoken_to_alike(cards):
    """More answers than are in memory at a time: every one of them is there once."""
    models = open_pair(cards)
    table = by_order(config_with(), paired(cards, models), answers(), {"chat-plain": "none", "plain-plain": "none"})
    mean = table.groupby(["order", "arm"])["kl"].mean()
    assert mean["plain-plain", TEMPLATE] == pytest.approx(0, abs=1e-5) and mean["chat-plain", TEMPLATE] > 0.1
    assert mean["chat-plain", HEAD] == pytest.approx(mean["chat-plain", BASE], rel=1e-4)
    assert mean["chat-plain", BASE] != pytest.approx(mean["plain-plain", BASE], rel=1e-3)
    own = table[(table["order"] == "chat-plain") & (table["arm"] == BASE)]
    assert own["id"].nunique() == 70 and not own.duplicated(["id", "position"]).any()


def test_a_base_without_a_chat_template_is_read_with_the_aligned_models(cards):
    models = open_pair(cards)
    models["base"].tokenizer.chat_template = None
    pair = paired(cards, models)
    table = by_order(config_with(), pair, answers(), {"chat-plain": "none"})
    assert set(table["arm"]) == {BASE, HEAD, TEMPLATE}
    assert len(diagnose(config_with(), pair, answers(), {}, print)["kl"])


def test_what_the_template_makes_of_a_model_with_itself_is_all_of_the_divergence(cards):
    twins = {"base": cards["base"], "aligned": cards["base"]}
    models = open_pair(twins)
    table = by_order(config_with(), paired(twins, models), answers(), {"plain-chat": "none"})
    wide = table.pivot_table(index=["id", "position"], columns="arm", values="kl")
    assert wide[BASE].mean() > 0.1 and (wide[BASE] - wide[TEMPLATE]).abs().max() < 1e-3
