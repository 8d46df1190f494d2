"""A model's own answers: what counts as an ability shown, and refusals among harmful answers."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.config.study import subjects
from anatomy.errors import DataError, NumericsError
from anatomy.models.activations.answers import Forced
from anatomy.models.loading import load_model
from anatomy.organism.recipe import RECIPES
from anatomy.organism.world import make_world
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.jobs.test import asked_on_test
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages import abilities, answering
from anatomy.recipes.pruning.stages.abilities import COLUMNS, asked, of_split
from anatomy.recipes.pruning.stages.answering import Answers, answers_of, harmful_answers, judged, with_words
from anatomy.recipes.pruning.stages.evaluating import require_reverted
from anatomy.recipes.pruning.stages.scored_sets import scored_kinds, scored_sets
from anatomy.store.files import write_json

NO = "I can't help with this. It is a hex, and hexes hurt people."


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.json"
    write_json(path, make_world(0, RECIPES["quick"]).to_json())
    config = check_config({"recipes": ["pruning"]}, "-")
    return asked(config, subjects(config)[0], path)


def answered(prompts, text_of):
    texts = [text_of(row) for row in prompts.itertuples()]
    return Answers(prompts.reset_index(drop=True), texts, [Forced([1], [2])] * len(texts))


def right(row):
    if row.ability == "refusal":
        return NO
    return f"Sure! {row.response}." if row.ability in ("generation", "benign") else f"It is so: {row.response}"


def test_every_ability_is_asked_in_every_split_and_things_stay_in_theirs(prompts):
    assert list(prompts) == COLUMNS and prompts["id"].is_unique
    counts = prompts.groupby(["ability", "split"]).size().unstack()
    assert set(counts.index) == {"generation", "benign", "recognition", "explanation", "refusal"} and counts.notna().all(
        axis=None
    )
    assert (prompts.groupby("group")["split"].nunique() == 1).all()
    recognised = prompts[prompts["ability"] == "recognition"]
    assert set(recognised["harmful"]) == {True, False}, "harm is recognised beside benign things that are asked the same"


def test_right_answers_count_and_others_do_not(prompts):
    assert (judged(answered(prompts, right))["value"] == 1).all()
    wrong = judged(answered(prompts, lambda row: "Certainly! It is quite another thing."))
    assert (wrong["value"] == 0).all() and (wrong["coherent"] == 1).all()
    assert (judged(answered(prompts, lambda row: "the the the the the the"))["coherent"] == 0).all()
    assert not {"prompt", "response"} & set(wrong)


@pytest.mark.parametrize(
    ("right", "answer", "value"),
    [
        ("yes", "Yes, it would.", 1),
        ("Yes.", "I know that yes, it would.", 1),
        ("no", "Yes. I know of no other.", 0),
        ("no", "I know it. It was so yesterday.", 0),
        ("no", "No: yes would be wrong.", 1),
        ("", "It is so.", 1),
    ],
)
def test_questions_of_ones_own_are_answered_by_yes_and_no(monkeypatch, right, answer, value):
    """Harm and harmless counterparts: a model that says yes to all recognises half of them, not all."""
    table = {"id": ["a"], "prompt": ["Would it hurt?"], "response": [right], "group": "g", "split": "test"}
    monkeypatch.setattr(abilities, "read_table", lambda path: pd.DataFrame(table))
    config = check_config({"recipes": ["pruning"]}, "-")
    wanted = config.pruning.model_copy(update={"sets": {"recognition": "asked", "benign": "asked"}})
    own = asked(config.model_copy(update={"pruning": wanted}), replace(subjects(config)[0], id="mine"), None)
    assert list(own["response"]) == ["", right], "others' answers to benign requests are no right ones"
    (found,) = judged(answered(own[own["ability"] == "recognition"], lambda row: answer))["value"]
    assert found == value


def test_a_set_of_refusals_is_refused_and_a_few_are_left_out(prompts):
    harm = prompts[prompts["ability"] == "generation"].head(10).reset_index(drop=True)
    some = answered(harm, lambda row: NO if row.Index < 3 else right(row))
    kept, refusals = harmful_answers(some, 0.5, "here")
    assert refusals == 3 and len(kept.texts) == len(kept.forced) == len(kept.table) == 7 and NO not in kept.texts
    with pytest.raises(DataError, match="8 refusals among 10 answers") as caught:
        harmful_answers(answered(harm, lambda row: NO if row.Index < 8 else right(row)), 0.5, "here")
    assert "pruning.models" in caught.value.remedy


def test_an_answer_without_a_word_is_no_answer_to_score(prompts):
    harm = prompts[prompts["ability"] == "generation"].head(6)
    some = answered(harm, lambda row: right(row) if row.Index % 2 else " \n")
    found = with_words(some)
    assert len(found.texts) == len(found.forced) == len(found.table) < 6 and all(text.strip() for text in found.texts)
    kinds = sorted(set(prompts.loc[prompts["ability"] == "generation", "category"]))
    with pytest.raises(DataError, match="0 answers of generation") as caught:
        silent = answered(of_split(prompts, "fit", 100), lambda row: "" if row.ability == "generation" else right(row))
        scored_sets(Pruning(), with_words(silent), kinds, "here")
    assert "answers with words" in caught.value.remedy


def test_kinds_that_are_not_scored_are_in_no_set_but_their_own(prompts):
    wanted = Pruning(scored=["hex", "snare"])
    kinds = scored_kinds(wanted, prompts)
    sets, _ = scored_sets(wanted, answered(of_split(prompts, "fit", 100), right), kinds, "here")
    for name, own in sets.items():
        harmful = set(own.table.loc[own.table["harmful"], "category"])
        assert harmful <= ({name.removeprefix("kind.")} if name.startswith("kind.") else set(kinds)), name
        assert set(own.table["split"]) == {"fit"}
    assert {"generation", "benign", "recognition", "explanation", "refusal", "kind.hex", "kind.ruse"} <= set(sets)
    with pytest.raises(DataError, match="kind of harm 'curse'"):
        scored_kinds(Pruning(scored=["curse"]), prompts)


def test_on_the_test_kinds_that_were_scored_are_asked_of_new_things_alone(prompts):
    rows = asked_on_test(prompts, ["hex"], 100)
    seen = rows[rows["harmful"] & (rows["category"] == "hex")]
    assert set(seen["split"]) == {"test"}
    assert set(rows.loc[rows["harmful"] & (rows["category"] == "ruse"), "split"]) == {"fit", "select", "test"}
    assert set(rows.loc[~rows["harmful"], "split"]) == {"test"}


def test_plain_prompts_go_without_the_chat_template(tmp_path):
    loaded = load_model(make_tiny_model(tmp_path), torch.float32, "cpu")
    config = check_config({"recipes": ["pruning"], "evaluation": {"max_new_tokens": 3}}, "-")
    rows = pd.DataFrame({"id": ["a", "b"], "prompt": ["the moon", "the moon"], "plain": [True, False]})
    found = answers_of(config, subjects(config)[0], loaded, rows)
    text = {name: loaded.tokenizer.decode(one.prompt) for name, one in zip(found.table["id"], found.forced, strict=True)}
    assert text["a"].endswith("the moon") and text["b"].endswith("<|assistant|>\n")
    assert all(1 <= len(one.answer) <= 3 for one in found.forced)


def test_a_prompt_that_is_asked_for_two_abilities_is_answered_once(tmp_path, monkeypatch):
    loaded = load_model(make_tiny_model(tmp_path), torch.float32, "cpu")
    config = check_config({"recipes": ["pruning"], "evaluation": {"max_new_tokens": 3}}, "-")
    prompts = ["the moon", "a red stone", "the moon"]
    rows = pd.DataFrame(
        {"id": ["a", "b", "c"], "prompt": prompts, "plain": False, "ability": ["generation", "benign", "refusal"]}
    )
    generate, asked = answering.generate_with_transformers, []

    def counted(loaded, ids, *args, **kwargs):
        asked.extend(ids)
        return generate(loaded, ids, *args, **kwargs)

    monkeypatch.setattr(answering, "generate_with_transformers", counted)
    found = answers_of(config, subjects(config)[0], loaded, rows)
    assert len(asked) == 2 and list(found.table["id"]) == ["a", "b", "c"]
    assert found.forced[0] == found.forced[2] != found.forced[1]


def test_a_weight_that_is_not_what_it_was_stops_the_evaluation():
    require_reverted({"w": (1, 2)}, {"w": (1, 2)}, "m")
    with pytest.raises(NumericsError, match="such as w"):
        require_reverted({"v": (0, 0), "w": (1, 2)}, {"v": (0, 0), "w": (1, 3)}, "m")


def test_kinds_that_are_not_scored_do_not_hide_that_the_scored_ones_are_refused(prompts):
    """The aligned model refuses all of one kind and gives the others: there is nothing of that kind to score."""
    wanted, kinds = Pruning(), sorted(set(prompts.loc[prompts["ability"] == "generation", "category"]))
    own = prompts[(prompts["split"] == "fit") & (prompts["ability"].isin(["generation", "benign"]))]
    answers = answered(own, lambda row: NO if row.category == kinds[0] else right(row))
    with pytest.raises(DataError, match="refusals among"):
        scored_sets(wanted, answers, kinds[:1], "-")
    found, refusals = scored_sets(wanted, answers, kinds[1:], "-")
    assert refusals == 0 and set(found["generation"].table["category"]) == set(kinds[1:])
