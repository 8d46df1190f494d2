"""The command on a finished run: both sides answer, settings change, the history holds what was said."""

import json
import subprocess
import sys

import pytest
from quick_run import QUICK, environment

from anatomy.store.files import read_table

pytestmark = pytest.mark.workflow


@pytest.fixture
def asked(finished, tmp_path):
    """Run the command on the quick run with lines as they would be typed; gives exit status, screen, and history."""

    def ask(lines, *options):
        config, history = tmp_path / "config.yaml", tmp_path / "history.jsonl"
        config.write_text(f"results: {finished.results}\n")
        done = subprocess.run(
            [sys.executable, "-m", "anatomy.chat", "--configfile", QUICK, config, "--history", history, *options],
            input="\n".join(lines) + "\n",
            cwd=finished.folder,
            env={**environment(), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        turns = [json.loads(line) for line in history.read_text().splitlines()] if history.is_file() else []
        return done.returncode, done.stdout + done.stderr, turns

    return ask


def test_both_sides_answer_as_in_the_run_and_settings_hold_for_what_follows(asked, finished):
    own = read_table(finished.results / "answers" / "weak.s0" / "completions.parquet").iloc[0]
    lines = [own["prompt"], "/strength 0.0001", "/nonsense", own["prompt"], "/quit", "never asked"]
    status, screen, turns = asked(lines, "--edit", "projection", "--model", "weak.s0")
    assert status == 0 and len(turns) == 2 and "/nonsense" in screen and "projection on the refusal direction" in screen
    assert turns[0]["original"]["response"] == own["response"]
    assert turns[1]["edited"]["response"] == own["response"], "an edit of next to nothing changes no answer"
    assert turns[1]["strength"] == turns[1]["edits"][0]["strength"] == 0.0001
    sides = [turns[0][side] for side in ("original", "edited")]
    assert all(len(side["projections"]) >= 1 and side["refusal"] in ("full", "partial", "none") for side in sides)


def test_an_edit_that_no_model_has_is_told(asked):
    status, screen, turns = asked(["Hello"], "--edit", "projektion", "--model", "weak.s0")
    assert status == 1 and "projektion" in screen and not turns
    status, screen, _ = asked(["Hello"], "--edit", "projektion")
    assert status == 1 and "0 models with an edit 'projektion'" in screen and "projection" in screen
