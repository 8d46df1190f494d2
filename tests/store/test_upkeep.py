"""Verification and garbage collection."""

import pandas as pd

from anatomy.store.cell import Cell
from anatomy.store.files import write_json
from anatomy.store.upkeep import collect_garbage, verify


def cell(root, name):
    one = Cell(root, "generate", {"name": name})
    one.append(pd.DataFrame({"item": ["x"], "response": [name]}))
    return one


def test_verify_names_damaged_shards(tmp_path):
    cell(tmp_path, "kept")
    shard = cell(tmp_path, "hurt").shards()[0]
    shard.write_bytes(shard.read_bytes()[:-10])
    found = verify(tmp_path)
    assert (found.cells, found.shards) == (2, 2)
    assert found.damaged == [str(shard.relative_to(tmp_path))]
    assert verify(tmp_path).damaged == [], "set aside once"


def test_garbage_is_what_no_table_names(tmp_path):
    store, results = tmp_path / "store", tmp_path
    kept, dropped = cell(store, "kept"), cell(store, "dropped")
    write_json(results / "evaluate" / "m.cells.json", [f"generate/{kept.name}"])
    assert collect_garbage(store, results, remove=False)["cell"].tolist() == [dropped.name]
    assert dropped.folder.exists()
    assert collect_garbage(store, results, remove=True)["removed"].all()
    assert kept.folder.exists() and not dropped.folder.exists()
