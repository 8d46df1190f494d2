"""The contract of the store: rows computed and sessions opened, counted."""

import contextlib
import multiprocessing
import os
import signal
import time

import pandas as pd
import pytest

from anatomy.errors import StoreError
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Lazy, Want, assemble, fill
from anatomy.store.journal import count


def rows(*prompts):
    return pd.DataFrame(
        {"id": [f"p{n}" for n in range(len(prompts))], "prompt": prompts, "item": [digest(prompt) for prompt in prompts]}
    )


def want(root, prompts, variant="base", formula="upper"):
    return Want(Cell(root, "generate", {"edit": variant, "code": formula}), rows(*prompts), {"variant": variant})


def lazy(root):
    return Lazy(lambda: contextlib.nullcontext("engine"), root, "generate")


def compute(session, wants):
    assert session == "engine"
    for one in wants:
        yield one, pd.DataFrame({"item": one.rows["item"], "response": one.rows["prompt"].str.upper()})


def run(root, wants):
    with lazy(root) as session:
        fill(wants, session, compute, say=lambda text: None)
    return assemble(wants, ["variant", "id"])


def cost(root, wants):
    before = count(root)
    run(root, wants)
    after = count(root)
    return after["starts"] - before["starts"], after["rows"] - before["rows"]


def test_costs_are_exactly_what_is_new(tmp_path):
    prompts = ["a", "b", "c"]
    assert cost(tmp_path, [want(tmp_path, prompts)]) == (1, 3)
    assert cost(tmp_path, [want(tmp_path, prompts)]) == (0, 0), "nothing new"
    assert cost(tmp_path, [want(tmp_path, [*prompts, "d"])]) == (1, 1), "a new prompt costs its own row"
    both = [want(tmp_path, prompts), want(tmp_path, prompts, "rosi")]
    assert cost(tmp_path, both) == (1, 3), "a new edit costs its own rows"
    assert cost(tmp_path, both[:1]) == (0, 0), "a removed edit costs nothing"
    assert cost(tmp_path, [want(tmp_path, prompts, formula="title")]) == (1, 3), "a changed formula costs what used it"


def test_tables_hold_every_row_once_and_sorted(tmp_path):
    table = run(tmp_path, [want(tmp_path, ["b", "a"], "rosi"), want(tmp_path, ["b", "a"])])
    assert table["variant"].tolist() == ["base", "base", "rosi", "rosi"]
    assert table["response"].tolist() == ["B", "A", "B", "A"]
    assert "item" not in table


def test_one_prompt_under_two_ids_is_computed_once(tmp_path):
    assert cost(tmp_path, [want(tmp_path, ["same", "same"])]) == (1, 1)
    assert len(run(tmp_path, [want(tmp_path, ["same", "same"])])) == 2


def test_two_variants_with_one_cell_are_computed_once(tmp_path):
    first = want(tmp_path, ["a"])
    second = Want(first.cell, first.rows, {"variant": "pick"})
    assert cost(tmp_path, [first, second]) == (1, 1)
    assert run(tmp_path, [first, second])["variant"].tolist() == ["base", "pick"]


def test_missing_rows_fail_assembly(tmp_path):
    def forgetful(session, wants):
        for one in wants:
            yield one, pd.DataFrame({"item": one.rows["item"].head(1), "response": ["A"]})

    wants = [want(tmp_path, ["a", "b"])]
    with lazy(tmp_path) as session:
        fill(wants, session, forgetful)
    with pytest.raises(StoreError, match="1 of 2 wanted rows"):
        assemble(wants, ["id"])


def test_the_same_row_under_the_same_name_twice_is_refused(tmp_path):
    wants = [want(tmp_path, ["a"]), want(tmp_path, ["a"])]
    with lazy(tmp_path) as session:
        fill(wants, session, compute)
    with pytest.raises(StoreError, match="twice"):
        assemble(wants, ["variant", "id"])


def test_a_damaged_shard_is_set_aside_and_computed_again(tmp_path):
    one = want(tmp_path, ["a", "b"])
    run(tmp_path, [one])
    shard = one.cell.shards()[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    said = []
    with lazy(tmp_path) as session:
        assert fill([one], session, compute, say=said.append) == 2
    assert shard.with_suffix(".damaged").exists() and shard.stem in said[0] and "computed again" in said[0]


def slow_worker(root, gate):
    def one_by_one(session, wants):
        for one in wants:
            for n in range(len(one.rows)):
                if n == 2:
                    gate.set()
                    time.sleep(60)
                row = one.rows.iloc[[n]]
                yield one, pd.DataFrame({"item": row["item"], "response": row["prompt"].str.upper()})

    with lazy(root) as session:
        fill([want(root, list("abcd"))], session, one_by_one)


def test_a_kill_costs_the_shard_in_hand_and_frees_the_lease(tmp_path):
    context = multiprocessing.get_context("fork")
    gate = context.Event()
    worker = context.Process(target=slow_worker, args=(tmp_path, gate))
    worker.start()
    assert gate.wait(30)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert count(tmp_path)["rows"] == 2
    assert cost(tmp_path, [want(tmp_path, list("abcd"))]) == (1, 2)


def test_a_second_job_waits_and_then_finds_everything_done(tmp_path):
    context = multiprocessing.get_context("fork")
    inside, leave = context.Event(), context.Event()

    def first():
        def held(session, wants):
            inside.set()
            leave.wait(30)
            yield from compute(session, wants)

        with lazy(tmp_path) as session:
            fill([want(tmp_path, ["a"])], session, held)

    worker = context.Process(target=first)
    worker.start()
    assert inside.wait(30)
    said = []

    def say(text):
        said.append(text)
        leave.set()

    with lazy(tmp_path) as session:
        assert fill([want(tmp_path, ["a"])], session, compute, say=say) == 0
    worker.join()
    assert "held by" in said[0] and str(worker.pid) in said[0]
