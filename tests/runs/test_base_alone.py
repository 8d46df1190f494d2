"""A study of base models alone: nothing in it refuses, so there is no classifier to train, and the run is none the worse."""

import re

import pytest
import yaml
from quick_run import Run

QUIET = {"selection": {"headline": []}, "rosi": {"headline": []}}
PRUNED = {"recipes": ["pruning"], "pruning": {"models": ["base"], "finetuning": {"models": []}}, **QUIET}


@pytest.mark.workflow
@pytest.mark.parametrize(("members", "trained"), [(["base"], False), (["base", "placebo-1"], True)])
def test_a_classifier_is_trained_where_a_member_refuses(tmp_path, members, trained):
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({**PRUNED, "organism": {"members": members}}))
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    planned = run.call("--dry-run", configs=(own,))
    assert ("refusal_classifier" in planned.stdout) == trained and re.search(r"^judge\s", planned.stdout, re.MULTILINE)
