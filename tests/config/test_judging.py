"""What a configuration of model judges is told."""

import pytest

from anatomy.config.judging import TAKEN, ModelJudge, judge_names
from anatomy.config.options import options, restore
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config
from anatomy.texts.judges.organism_truth import TRUTH_JUDGES
from anatomy.texts.judges.registry import JUDGES

GUARD = {"kind": "llama_guard", "folder": "x"}
QUESTION = {"question": "How clear?", "answers": ["1", "2"]}


@pytest.mark.parametrize(
    ("judges", "message"),
    [
        ({"rules": GUARD}, "'rules', which is the name of a built-in judge"),
        ({"human": GUARD}, "name of a built-in judge"),
        (
            {"wild": {"kind": "wildguard", "folder": "x"}, "wild_refusal": GUARD},
            "'wild_refusal', which is the name of model_judges",
        ),
        ({"truth": {"kind": "rubric", "folder": "x"}}, "built-in"),
        ({"Guard": GUARD}, "model_judges.Guard"),
        ({"guard": {"kind": "llama_guard"}}, "exactly one of them"),
        ({"guard": {**GUARD, "hub": "a/b"}}, "exactly one of them"),
        ({"guard": {"kind": "llama_guard", "hub": "a/b", "revision": "main"}}, "commit of 40 digits"),
        ({"guard": {"folder": "x"}}, "model_judges.guard.kind"),
        ({"guard": {**GUARD, "kind": "oracle"}}, "oracle"),
        ({"guard": {**GUARD, "max_len": 3}}, "unknown key"),
        ({"guard": {**GUARD, "max_model_len": 10}}, "64"),
        ({"guard": {**GUARD, "rubric": QUESTION}}, "has a rubric"),
        ({"mine": {"kind": "rubric", "folder": "x", "rubric": {**QUESTION, "answers": ["yes", "Yes "]}}}, "different words"),
        ({"mine": {"kind": "rubric", "folder": "x", "rubric": {**QUESTION, "answers": ["not at all", "yes"]}}}, "without spaces"),
        ({"mine": {"kind": "rubric", "folder": "x", "rubric": {**QUESTION, "answers": ["one"]}}}, "2"),
        ({"mine": {"kind": "rubric", "folder": "x", "rubric": {**QUESTION, "labels": {"3": "full"}}}}, "none of the answers"),
        ({"mine": {"kind": "rubric", "folder": "x", "rubric": {"answers": ["no", "yes"]}}}, "question"),
    ],
)
def test_mistakes_are_named(judges, message):
    with pytest.raises(ConfigError, match=message):
        check_config({"model_judges": judges}, "test.yaml")


def test_every_built_in_name_is_taken():
    assert {*JUDGES, *TRUTH_JUDGES, "human"} == set(TAKEN)


def test_a_job_sees_its_judge_as_it_was_written():
    judges = {"guard": GUARD, "mine": {"kind": "rubric", "folder": "y", "rubric": QUESTION}}
    config = check_config({"model_judges": judges}, "test.yaml")
    restored = restore(options(config, "model_judges")).model_judges
    assert restored == config.model_judges and restored["mine"].rubric.answers == ["1", "2"]
    assert [name for one in config.model_judges for name in judge_names(one, config.model_judges[one].kind)] == ["guard", "mine"]
    assert ModelJudge(kind="wildguard", folder="x").max_model_len == 4096
