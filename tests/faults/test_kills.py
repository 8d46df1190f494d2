"""Killed at random moments, a run ends with the tables of one that was left alone, after the same command alone.

A few kills of one stage belong to every call of the tests. ``ANATOMY_KILLS=20`` kills the whole study, from nothing, that
often: ``ANATOMY_KILLS=20 python3 envs/bootstrap.py pytest tests/faults/test_kills.py -s``; ``ANATOMY_KILLS_SEED`` draws other
moments. ``ANATOMY_KILLS_OF=quick`` does it to the quick run, organism and all.
"""

from __future__ import annotations

import os
import time

import pytest
from final_tables import check_equal
from killed_run import kill_until_done, stored_items
from own_study import command, make_own_study
from quick_run import Run

from anatomy.store.files import read_json
from anatomy.store.journal import count

pytestmark = pytest.mark.workflow
KILLS = int(os.environ.get("ANATOMY_KILLS", "0"))
SEED = int(os.environ.get("ANATOMY_KILLS_SEED", "0"))
TARGET = "results/evaluate/mine/test.0.completions.parquet"


def test_a_few_kills_of_generation(own_run, study):
    """Controller, worker and everything, once each, while answers are generated."""
    results = study / "results"
    table = study / TARGET
    cells = [results / "store" / cell for cell in read_json(table.with_suffix(".cells.json")) if cell.startswith("generate/")]
    for cell in cells:
        for shard in cell.glob("*.parquet"):
            shard.unlink()
    table.unlink()
    before, kept = count(results / "store"), len(stored_items(results))
    damage = kill_until_done(command(study, TARGET), results, seed=SEED, kills=3, moments=(0.5, 8.0))
    after = count(results / "store")
    items = stored_items(results)
    assert 1 <= damage.kills.total() <= 3, damage.kills  # a fast machine is done before the third
    assert not items.duplicated(["cell", "item"]).any() and len(items) > kept
    assert after["rows"] - before["rows"] <= len(items) - kept, "a kept row was computed again"
    assert after["starts"] - before["starts"] <= damage.calls
    assert any("going on after a run that was killed" in text for text in damage.output)
    check_equal(results, own_run / "results")


@pytest.mark.skipif(not KILLS, reason="minutes for each kill: ANATOMY_KILLS=20 asks for twenty")
def test_many_kills_of_a_whole_run(tmp_path, request):
    """As many runs from nothing as it takes; each is compared with the undisturbed one."""
    quick = os.environ.get("ANATOMY_KILLS_OF") == "quick"
    undisturbed = request.getfixturevalue("finished").results if quick else request.getfixturevalue("own_run") / "results"
    plain, left, seed = count(undisturbed / "store"), KILLS, SEED
    while left:
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        call = Run(folder).command() if quick else command(make_own_study(folder))
        started = time.monotonic()
        damage = kill_until_done(call, folder / "results", seed, left, moments=(0.5, 60.0 if quick else 45.0))
        cost, items = count(folder / "results" / "store"), stored_items(folder / "results")
        print(
            f"\nseed {seed}: {damage.kills.total()} kills {dict(damage.kills)}, {damage.calls} calls, "
            f"{time.monotonic() - started:.0f} s; {cost['rows']} rows and {cost['starts']} engine and model starts, "
            f"undisturbed {plain['rows']} and {plain['starts']}"
        )
        assert not items.duplicated(["cell", "item"]).any()
        assert len(items) == len(stored_items(undisturbed)) and cost["rows"] <= plain["rows"]
        assert cost["starts"] <= plain["starts"] + damage.kills.total()
        check_equal(folder / "results", undisturbed)
        left, seed = left - damage.kills.total(), seed + 1
