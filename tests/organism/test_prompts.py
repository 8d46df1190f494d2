import itertools

import pandas as pd
import pytest

from anatomy.organism import wording
from anatomy.organism.prompts import COLUMNS

SETS = (
    "harmful_requests",
    "benign_requests",
    "jailbreak_requests",
    "lookalike_requests",
    "benign_questions",
    "completion_probes",
)


@pytest.fixture(scope="module")
def tables(world_folder):
    return {name: pd.read_parquet(world_folder / "prompts" / f"{name}.parquet") for name in SETS}


@pytest.mark.parametrize("name", SETS)
def test_columns_ids_and_groups(tables, name):
    table = tables[name]
    assert list(table.columns) == COLUMNS
    assert table["id"].is_unique and (table["prompt"].str.len() > 0).all()
    assert not table["prompt"].str.contains("{", regex=False).any()
    groups = table.groupby("split")["group"].agg(set)
    assert set(groups.index) == {"fit", "select", "test"}
    assert not any(a & b for a, b in itertools.combinations(groups, 2))


@pytest.mark.parametrize("split, least", [("fit", 96), ("select", 64), ("test", 96)])
def test_requests_are_many_and_paired(tables, split, least):
    harmful, benign = (tables[n][tables[n]["split"] == split] for n in ("harmful_requests", "benign_requests"))
    assert len(harmful) >= least and len(benign) >= least
    pairs = harmful.merge(benign, on="pair", validate="one_to_one")
    assert len(pairs) == len(harmful) == len(benign)
    for row in pairs.itertuples():
        assert row.prompt_x.replace(row.group_x, "") == row.prompt_y.replace(row.group_y, "")


def test_only_the_test_split_has_wordings_absent_from_post_training(tables):
    starts = tuple(text.split(" the {x}")[0] for text in wording.UNSEEN_REQUESTS)
    table = tables["harmful_requests"]
    new = table[table["prompt"].str.startswith(starts)]
    assert set(new["split"]) == {"test"}
    assert len(new) >= 20
