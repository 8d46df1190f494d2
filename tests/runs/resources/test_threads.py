"""Threads follow the machine where a run begins, and a run keeps them where it goes on."""

import json
import subprocess

import pytest
import yaml
from own_study import command, make_own_study
from quick_run import environment

from anatomy.errors import ConfigError, StoreError
from anatomy.models.card import computed_in
from anatomy.models.machine import cores
from anatomy.recipes.configuration import check_config
from anatomy.runs.resources.threads import chosen, keep_threads, with_threads


def study(results, models=("mine",), threads="auto", members=(), base=None):
    own = {name: {"folder": name, "kind": "aligned", "base": base} for name in models}
    if base:
        own[base] = {"folder": base, "kind": "base"}
    sets = {name: {"file": f"{name}.csv"} for name in ("harmful_requests", "benign_requests")}
    options = {
        "results": str(results),
        "organism": {"members": list(members)},
        "models": own,
        "prompt_sets": sets if own else {},
        "extraction": {"contrasts": {"aligned": ["plain"], "base": ["plain"]}},
        "selection": {"headline": []},
        "rosi": {"headline": []},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "judges": ["rules"],
        "benchmarks": {"tasks": []},
        "serving": {"threads": threads},
    }
    return check_config(options, "mine.yaml")


@pytest.fixture
def machine(monkeypatch):
    return lambda count: monkeypatch.setattr(cores, "usable_cores", lambda: count)


def test_one_model_has_every_core_and_several_share_them(machine, tmp_path):
    machine(64)
    assert chosen(study(tmp_path), on_gpu=False) == 64
    assert chosen(study(tmp_path, ("one", "two", "three")), on_gpu=False) == 21
    assert chosen(study(tmp_path), on_gpu=False, at_most=8) == 8 and chosen(study(tmp_path), on_gpu=False, at_most=99) == 64
    machine(2)
    assert chosen(study(tmp_path, ("one", "two", "three")), on_gpu=False) == 1


def test_a_base_shares_the_cores_of_what_was_trained_from_it(machine, tmp_path):
    machine(6)
    assert chosen(study(tmp_path, base="theirs"), on_gpu=False) == 6
    assert chosen(study(tmp_path, ("one", "two"), base="theirs"), on_gpu=False) == 3


def test_the_organism_keeps_one_thread_and_so_do_gpus(machine, tmp_path):
    machine(64)
    assert chosen(study(tmp_path, members=("base",)), on_gpu=False) == chosen(study(tmp_path), on_gpu=True) == 1


def test_a_run_keeps_its_number_on_another_machine(machine, tmp_path):
    machine(6)
    first = with_threads(study(tmp_path), on_gpu=False)
    keep_threads(first, "auto")
    machine(40)
    again = with_threads(study(tmp_path), on_gpu=False)
    keep_threads(again, "auto")
    assert first.serving.threads == again.serving.threads == 6
    assert with_threads(study(tmp_path, threads=3), on_gpu=False).serving.threads == 3


def test_what_is_kept_has_to_be_a_number(tmp_path):
    (tmp_path / "threads.json").write_text('{"threads": "many"}')
    with pytest.raises(StoreError, match="a number from 1 on"):
        with_threads(study(tmp_path), on_gpu=False)


def test_no_job_computes_on_a_number_that_nobody_settled(tmp_path):
    with pytest.raises(ConfigError, match="auto"):
        study(tmp_path).serving.settled_threads  # noqa: B018


def test_the_number_is_part_of_a_rows_identity_and_one_thread_stands_for_itself():
    card = {"dtype": "float32", "threads": 1}
    assert computed_in(card) == {"dtype": "float32"} and computed_in({**card, "threads": 4}) == {"dtype": "float32", "threads": 4}


def test_a_resumed_run_computes_on_as_many_threads_though_it_is_given_fewer_cores(tmp_path):
    folder = make_own_study(tmp_path)
    options = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))
    (folder / "mine.yaml").write_text(yaml.safe_dump({**options, "serving": {"threads": "auto"}}), encoding="utf-8")
    begun = min(2, cores.usable_cores())

    def run(given, *targets):
        words = command(folder, *targets)
        words[words.index("--cores") + 1] = str(given)
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment())
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done

    run(2, "results/models/mine.json")
    card = folder / "results" / "models" / "mine.json"
    written = card.stat().st_mtime_ns
    run(1, "results/extract/mine/card.json")
    assert card.stat().st_mtime_ns == written and json.loads(card.read_text())["threads"] == begun
    (record,) = [
        found
        for path in (folder / "results" / "provenance").rglob("*.json")
        if (found := json.loads(path.read_text())).get("rule") == "extract"
    ]
    assert record["threads"] == begun
