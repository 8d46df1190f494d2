"""Prompts of which nothing can be made are refused before the model is opened."""

from types import SimpleNamespace

import pandas as pd
import pytest

from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.models.activations.answers import Forced
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.jobs import scores
from anatomy.recipes.pruning.stages.answering import Answers
from anatomy.recipes.pruning.stages.scored_sets import kind_set, kinds_without_a_set, require_prompts, scored_kinds, scored_sets


def prompts(**left_out):
    """Three prompts of each ability and split; ``left_out``: the splits that an ability has none of."""
    rows = [
        {"ability": ability, "category": "malware", "split": split}
        for ability in ("generation", "benign")
        for split in ("fit", "select", "test")
        if split not in left_out.get(ability, ())
        for _ in range(3)
    ]
    return pd.DataFrame([*rows, {"ability": "generation", "category": "hate", "split": "test"}])


@pytest.mark.parametrize("ability", ["generation", "benign"])
@pytest.mark.parametrize("split", ["fit", "select", "test"])
def test_a_split_without_prompts_is_named(ability, split):
    require_prompts(prompts(), ["malware"], "mine")
    if (ability, split) == ("generation", "test"):
        require_prompts(prompts(generation=["test"]), ["malware"], "mine")  # others are asked there
        return
    with pytest.raises(DataError, match=rf"0 prompts of {ability} in the split {split}") as caught:
        require_prompts(prompts(**{ability: [split]}), ["malware"], "mine")
    assert "mine" in str(caught.value) and "splits" in str(caught.value)


def test_they_are_refused_before_the_model_is_opened(monkeypatch):
    """As a kind of harm is that no prompt has."""
    monkeypatch.setattr(scores, "sound_model", lambda path: {"digest": "m"})
    monkeypatch.setattr(scores, "opened", lambda card: pytest.fail("opened"))
    job = SimpleNamespace(
        **dict.fromkeys(("at", "gpus"), None),
        say=print,
        threads=1,
        config=check_config({"recipes": ["pruning"], "pruning": {"scored": None}}, "-"),
        subject=Subject("mine", "aligned", None, None, ("plain",), False, "float32"),
    )
    files = SimpleNamespace(input={"model": ["m"], "world": []}, output={}, params=None, wildcards=None)
    monkeypatch.setattr(scores, "named_files", lambda given: given)
    monkeypatch.setattr(scores, "asked", lambda *given: prompts(generation=["select"]))
    with pytest.raises(DataError, match="generation in the split select, of malware"):
        scores.run(job, files)


def test_a_kind_of_which_no_mask_is_made_is_named():
    asked = prompts()
    asked = pd.concat([asked, asked.assign(category="fraud"), asked.assign(category="theft", split="test")])
    assert kinds_without_a_set(asked, {kind_set("malware"): Answers(asked, [], [])}) == ["fraud"], "theft is not asked in fit"


@pytest.mark.parametrize("scored", [None, ["malware"]])
def test_a_set_of_refusals_by_another_name_is_scored_and_limits_masks(scored):
    """Its prompts are no kind that harm is held back of: left out as such, nothing would ask a mask to leave refusals."""
    wanted = check_config({"recipes": ["pruning"]}, "-").pruning.model_copy(update={"scored": scored})
    asked = prompts().assign(harmful=lambda rows: rows["ability"] == "generation")
    refused = asked[asked["ability"] == "benign"].assign(ability="refusal", category="chats", harmful=True)
    unseen = refused.assign(category="hate")
    asked = pd.concat([asked, refused, unseen], ignore_index=True)
    kinds = scored_kinds(wanted, asked)
    assert kinds == ["malware", "chats"], "hate is a kind of harm that was not scored"
    fit = asked[asked["split"] == "fit"].reset_index(drop=True)
    texts = ["I can't help with this." if ability == "refusal" else "Sure, so it is." for ability in fit["ability"]]
    sets, _ = scored_sets(wanted, Answers(fit, texts, [Forced([1], [2])] * len(fit)), kinds, "mine")
    assert set(sets["refusal"].table["category"]) == {"chats"}
