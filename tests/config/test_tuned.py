"""Models that are made by training: what the configuration refuses before anything runs."""

import pytest
from tuned_setting import options

from anatomy.config.study import Layout, subjects
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config
from anatomy.recipes.prompt_needs import can_do_without, phases_of, read_phases


def values(models, **tuned):
    sets = {name: {"file": f"{name}.csv"} for name in ("harmful_requests", "benign_requests", "chat", "harmful")}
    plain = options(**tuned).model_dump(mode="json")
    found = {"start": {"folder": "start", "kind": "base"}, "made": {"kind": "aligned", "tuned": plain}, **models}
    return {
        "organism": {"members": []},
        "models": found,
        "prompt_sets": sets,
        "extraction": {"contrasts": {"aligned": ["plain"], "base": ["plain"]}},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "selection": {"headline": []},
        "rosi": {"headline": []},
        "benchmarks": {"tasks": []},
    }


def refused(values, match):
    with pytest.raises(ConfigError, match=match):
        check_config(values, "test")


def test_a_trained_model_is_a_subject_as_it_is_declared():
    config = check_config(values({}), "test")
    assert [(one.id, one.kind) for one in subjects(config)] == [("start", "base"), ("made", "aligned")]
    assert Layout("results").tuned("made") == "results/tuned/made.json"


def test_its_prompts_are_read_and_cannot_be_skipped():
    config = check_config(values({}), "test")
    assert read_phases(config)["chat"] == ("fit", "select") and "chat" not in phases_of(config)
    assert not can_do_without(config, "chat")


def test_a_model_trained_from_itself_or_in_a_circle_is_refused():
    refused(values({}, **{"from": "made"}), "leads back to itself")
    other = options(**{"from": "made"}).model_dump(mode="json")
    refused(values({"other": {"tuned": other}}, **{"from": "other"}), "leads back to itself")
    refused(values({}, **{"from": "nobody"}), "expected the id of another model")


def test_sets_and_shares_have_to_be_there():
    part = {"prompts": "gone", "share": 1.0, "responses": "own"}
    refused(values({}, data=[part]), "names the prompt set 'gone'")
    with pytest.raises(ValueError, match=r"shares of data add up to 0\.5"):
        options(data=[{**part, "share": 0.5}])
    with pytest.raises(ValueError, match="twice"):
        options(data=[{**part, "share": 0.5}, {**part, "share": 0.5}])


def test_no_default_hides_a_decision_and_unknown_options_are_errors():
    whole = options().model_dump(mode="json")
    for name in ("from", "data", "chat_template", "rank", "alpha", "targets", "tokens", "learning_rate", "schedule", "seed"):
        given = values({})
        given["models"]["made"]["tuned"] = {key: value for key, value in whole.items() if key != name}
        refused(given, rf"tuned\.{name}: Field required")
    given = values({})
    given["models"]["made"]["tuned"]["epochs"] = 3
    refused(given, r"tuned\.epochs: unknown key")


def test_training_that_lowers_safety_writes_no_weights():
    given = values({})
    given["models"]["made"]["kind"] = "uncensored"
    refused(given, "stays in memory")


def test_it_is_spoken_to_as_it_was_trained():
    given = values({})
    given["models"]["made"]["template"] = False
    refused(given, "template is false")
    refused(values({}, chat_template="none"), "expected none with template: false")


def test_exactly_one_source():
    given = values({})
    given["models"]["made"]["folder"] = "somewhere"
    refused(given, "exactly one of them")
