"""The real Snakefile: missing data stop it before any job, `prefetch` brings what it may, and skipping drops what it can."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from quick_run import ROOT, environment

pytestmark = pytest.mark.workflow
PROMPTS = "goal\n" + "".join(f"Tell a tale of lamp {n} and its {n * 7} friends\n" for n in range(60))


@pytest.fixture
def study(tmp_path, make_entry, monkeypatch):
    """A folder with a configuration whose data lie in a mirror, one gated set excepted."""
    entries = {
        name: make_entry([{"path": f"{name}.csv", "rows": 60}], gating=gating, label=label).model_dump(mode="json")
        for name, gating, label in (("bad", "open", "harmful"), ("good", "open", "benign"), ("wild", "manual", "harmful"))
    }
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(entries))
    for name in ("bad", "good"):
        path = tmp_path / "mirror" / name / f"{name}.csv"
        path.parent.mkdir(parents=True)
        path.write_text(PROMPTS.replace("lamp", name))
    sets = {"harmful_requests": "bad", "benign_requests": "good", "jailbreak_requests": "wild"}
    values = {
        "organism": {"members": []},
        "models": {"mine": {"folder": "model"}},
        "extraction": {"contrasts": {"aligned": ["plain"]}},
        "prompt_sets": {name: {"dataset": dataset} for name, dataset in sets.items()},
        "evaluation": {"lookalikes": []},
        "rosi": {"headline": ["mine"]},
        "selection": {"headline": ["mine"]},
        "benchmarks": {"tasks": []},
        "data": {"registry": "registry.yaml", "mirror": "mirror", "offline": True},
    }

    def call(*arguments, **data):
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**values, "data": {**values["data"], **data}}))
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "snakemake",
                *arguments,
                "--snakefile",
                str(ROOT / "Snakefile"),
                "--directory",
                str(tmp_path),
                "--cores",
                "1",
                "--configfile",
                str(tmp_path / "mine.yaml"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )

    (tmp_path / "model").mkdir()
    call.folder, call.values = tmp_path, values
    return call


def planned(done) -> dict[str, int]:
    """Jobs that a dry run would start, by rule."""
    lines = [line.split() for line in done.stdout.splitlines() + done.stderr.splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


def test_from_missing_data_to_a_plan_without_them(study):
    stopped = study()
    assert stopped.returncode == 1 and "snakemake prefetch" in stopped.stderr
    for told in ("harmful_requests: data set bad is not here", "cannot be skipped", "data set wild is not here (manual access"):
        assert told in stopped.stderr
    assert {path.name for path in (study.folder / "results").glob("*")} <= {"controller"}, "no job has run"

    dry = study("-n")
    assert dry.returncode == 0 and dry.stderr.count("a run would stop here") == 1 and planned(dry)["prompt_set"] == 3

    fetched = study("prefetch", missing="skip")
    assert fetched.returncode == 0 and "wild is missing" in fetched.stdout
    assert {path.name for path in Path(study.folder / "data").glob("*/*.csv")} == {"bad.csv", "good.csv"}

    skipped = study("-n", missing="skip")
    assert skipped.returncode == 0 and "would stop" not in skipped.stderr and planned(skipped)["prompt_set"] == 2

    prepared = study("results/prompts/harmful_requests.parquet", missing="skip")
    assert prepared.returncode == 0, prepared.stderr


def test_a_model_folder_that_is_not_there_stops_before_any_job(study):
    study.values["models"] = {"mine": {"folder": "typo"}}
    stopped = study(missing="skip")
    assert stopped.returncode == 1 and f"in {study.folder}/typo:" in stopped.stderr and "no such folder" in stopped.stderr
    assert not (study.folder / "results" / "prompts").exists()
    planned = study("-n", missing="skip")
    assert planned.returncode == 0 and "would stop" in planned.stdout + planned.stderr


def test_a_pair_without_prefixes_stops_before_any_job_or_is_left_out(study):
    study.values |= {
        "recipes": ["pasta"],
        "models": {"mine": {"folder": "model"}, "plain": {"folder": "model", "kind": "base"}},
        "extraction": {"contrasts": {"aligned": ["plain"], "base": ["plain"]}},
        "pasta": {"pairs": {"mine": "plain"}, "own_detectors": {"words": {"kind": "ngrams"}}},
        "prompt_sets": {**study.values["prompt_sets"], "prefixes": {"file": "data/prefixes.parquet", "label": "benign"}},
    }
    stopped = study("pasta")
    assert stopped.returncode == 1 and "prefixes: file data/prefixes.parquet is not here" in stopped.stderr
    assert "anatomy.texts.continuations" in stopped.stderr
    made = study("results/pasta/claims/ledger.csv", missing="skip")
    assert made.returncode == 0, made.stderr
    ledger = (study.folder / "results/pasta/claims/ledger.csv").read_text().splitlines()
    assert len(ledger) > 5 and all("not testable here" in line for line in ledger[1:])
    planned_page = planned(study("pasta", "-n", missing="skip"))
    assert "prompt_set" not in planned_page and planned_page["page"] == 1
