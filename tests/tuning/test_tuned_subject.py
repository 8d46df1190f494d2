"""The real Snakefile with a model that is trained from another one: made once, an ordinary model afterwards."""

import csv
import json
import subprocess
import sys

import pytest
import yaml
from own_study import write_prompts
from quick_run import ROOT, environment
from tiny_model import make_tiny_model
from tuned_setting import DEEDS, options

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with a tiny base and an aligned model that is made from it; calls Snakemake on it."""
    folder = tmp_path_factory.mktemp("tuned_study")
    (make_tiny_model(folder / "base", layers=2) / "chat_template.jinja").unlink()
    for label in ("harmful", "benign"):
        write_prompts(folder / f"{label}.csv", label)
    with open(folder / "chat.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "prompt", "output", "split"])
        for split in ("fit", "select"):
            rows.writerows([f"{split}-{n}", f"{deed} {split}?", f"First {deed}.", split] for n, deed in enumerate(DEEDS))
    tuned = options(**{"from": "start", "chat_template": "plain", "tokens": 800}).model_dump(mode="json")
    values = {
        "organism": {"members": []},
        "models": {
            "start": {"folder": "base", "kind": "base", "template": False, "dtype": "float32"},
            "mine": {"tuned": tuned, "kind": "aligned", "base": "start", "dtype": "float32"},
        },
        "prompt_sets": {
            "harmful": {"file": "harmful.csv", "label": "harmful", "minimum": 6},
            "benign": {"file": "benign.csv", "label": "benign", "minimum": 6},
            "chat": {"file": "chat.csv", "columns": {"output": "response"}, "label": "benign", "minimum": 6},
        },
        "extraction": {"harmful": "harmful", "harmless": "benign", "contrasts": {"aligned": ["plain"], "base": ["plain"]}},
        "evaluation": {"harmful": "harmful", "benign": "benign", "lookalikes": [], "jailbreaks": []},
        "rosi": {"headline": []},
        "selection": {"headline": []},
        "benchmarks": {"tasks": []},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))

    def call(*arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
        command += ["--cores", "1", "--configfile", str(folder / "mine.yaml"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())

    return folder, call


def test_it_is_made_once_and_described_as_any_model(study):
    folder, call = study
    done = call("--", "results/models/mine.json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    card, start = (json.loads((folder / "results" / "models" / f"{name}.json").read_text()) for name in ("mine", "start"))
    assert card["folder"] == "results/tuned/mine" and card["kind"] == "aligned" and card["num_layers"] == 2
    assert card["digest"] != start["digest"] == card["tuned"]["from_digest"] and start["tuned"] is None
    assert "trained here from start by LoRA of rank 2" in card["tuned"]["in_words"]
    assert sorted(path.name for path in (folder / "results" / "tuned").iterdir()) == ["mine", "mine.json"]
    again = call("--", "results/models/mine.json")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_job_that_runs_again_trains_nothing_that_is_there(study):
    folder, call = study
    call("--", "results/models/mine.json")
    weights = (folder / "results" / "tuned" / "mine" / "model.safetensors").stat()
    (folder / "results" / "tuned" / "mine.json").unlink()
    done = call("--", "results/tuned/mine.json")
    assert done.returncode == 0 and "was made from the same inputs already" in done.stdout + done.stderr
    assert (folder / "results" / "tuned" / "mine" / "model.safetensors").stat() == weights
