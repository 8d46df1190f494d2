"""Options that cannot be meant are refused before anything is scored."""

import re

import pytest
from quick_run import ROOT

from anatomy.config.options import options, restore
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.unread import UNREAD


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prune": [0.01, 1.5]}, "1.5 is no fraction"),
        ({"prune": [-0.1]}, "no fraction"),
        ({"prune": [float("nan")]}, "finite number"),
        ({"preserve": [5.0]}, "5 is no fraction"),
        ({"prune": [0.5, 1.0]}, "1 prunes every weight of a matrix"),
        ({"prune": [0.0]}, "asks for no weights"),
        ({"prune": []}, "at least 1 item"),
        ({"refusals": 1.0}, "less than 1"),
        ({"models": ["nobody"]}, "nobody"),
        ({"rank": "matrix"}, "rank"),
        ({"scored": ["hex", "curse"]}, "'curse', which base has no prompts of"),
        ({"protected": ["generation"]}, "generation, which is what is pruned"),
        ({"finetuning": {"narrow": "curse"}}, "narrow names 'curse'"),
        ({"finetuning": {"narrow": "salve"}}, "narrow names 'salve'"),
        ({"finetuning": {"models": ["nobody"]}}, "finetuning.models names 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(ConfigError) as caught:
        check_config({"recipes": ["pruning"], "pruning": given}, "mine.yaml")
    assert message in str(caught.value) and "pruning" in str(caught.value) and "mine.yaml" in str(caught.value)


SETS = {"prompt_sets": {name: {"file": f"{name}.csv"} for name in ("harm", "more", "chats")}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"further": {"generation": ["more", "more"]}}, "'more' twice for generation"),
        ({"further": {"generation": ["harm"]}}, "'harm' twice for generation"),
        ({"sets": {"generation": "harm", "benign": "harm"}}, "'harm' for generation and for benign"),
        ({"further": {"benign": ["harm"]}}, "'harm' for generation and for benign"),
        ({"sets": {"generation": "harm", "benign": "chats", "refusal": "chats"}}, "'chats' for refusal and for benign"),
        ({"pairs": {"aligned": "aligned"}}, "compares aligned with itself"),
    ],
)
def test_sets_that_are_one_and_a_pair_of_one_model_are_refused(given, message):
    wanted = {"sets": {"generation": "harm", "benign": "chats", "refusal": "harm"}} | given
    with pytest.raises(ConfigError) as caught:
        check_config({"recipes": ["pruning"], **SETS, "pruning": wanted}, "mine.yaml")
    assert message in str(caught.value) and "mine.yaml" in str(caught.value)


def test_fractions_are_put_in_order_and_a_whole_preserved_matrix_may_be_asked_for():
    found = check_config({"recipes": ["pruning"], "pruning": {"prune": [0.1, 0.01, 0.1], "preserve": [1.0, 0.0]}}, "-").pruning
    assert found.prune == [0.01, 0.1] and found.preserve == [0.0, 1.0]


@pytest.mark.parametrize("job", UNREAD)
def test_what_a_job_does_not_read_makes_nothing_of_it_stale_and_is_no_default_there(job):
    plain, other = (
        check_config({"recipes": ["pruning"], "pruning": given}, "-")
        for given in ({}, {"models": ["base"], "pairs": {"aligned": None}, "kept": 0.7, "removed_elsewhere": 0.4})
    )
    one, two = (options(config, "pruning", without={"pruning": UNREAD[job]}) for config in (plain, other))
    assert one == two and options(plain, "pruning") != options(other, "pruning")
    told = restore(one, type(plain)).pruning
    assert told.prune == plain.pruning.prune
    for name in UNREAD[job]:
        with pytest.raises(AttributeError, match=name):
            getattr(told, name)


def test_the_text_set_is_read_and_told_of_on_the_test_alone():
    assert [job for job, names in UNREAD.items() if "text" not in names] == ["test"]
    rules = (ROOT / "workflow" / "rules" / "papers" / "pruning.smk").read_text(encoding="utf-8")
    jobs = re.split(r"^(?:use )?rule ", rules, flags=re.MULTILINE)[1:]
    assert [job.split(":")[0] for job in jobs if "read_by_pruned" in job] == ["pruning_test"]


def test_an_option_that_is_left_out_has_to_be_there():
    config = check_config({"recipes": ["pruning"]}, "-")
    with pytest.raises(KeyError, match="txet"):
        options(config, "pruning", without={"pruning": ("txet",)})
