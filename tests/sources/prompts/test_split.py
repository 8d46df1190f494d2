import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import DataError
from anatomy.sources.prompts.groups import merge_groups
from anatomy.sources.prompts.split import assign_splits, check_splits, limit_rows

SHARES = {"fit": 0.5, "select": 0.2, "test": 0.3}


def make_table(groups, pairs=None, splits=None, prompts=None):
    n = len(groups)
    columns = {
        "id": [f"r{k}" for k in range(n)],
        "prompt": prompts or [f"prompt number {k}" for k in range(n)],
        "label": ["harmful" if k % 2 else "benign" for k in range(n)],
        "group": groups,
        "pair": pairs or [None] * n,
    }
    if splits:
        columns["split"] = splits
    return pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})


group_lists = st.lists(st.sampled_from([f"g{k}" for k in range(12)]), min_size=1, max_size=30)
pair_values = st.one_of(st.none(), st.sampled_from([f"p{k}" for k in range(8)]))


@settings(deadline=None)
@given(st.data(), st.integers(0, 10**6))
def test_groups_and_pairs_never_cross_and_order_does_not_matter(data, seed):
    groups = data.draw(group_lists)
    pairs = data.draw(st.lists(pair_values, min_size=len(groups), max_size=len(groups)))
    table = make_table(groups, pairs)
    done = assign_splits(table, SHARES, seed)
    check_splits(done, minimum=0)
    assert table.assign(split=done["split"]).groupby("group")["split"].nunique().max() == 1
    shuffled = assign_splits(table.sample(frac=1, random_state=seed), SHARES, seed)
    assert shuffled.set_index("id")["split"].sort_index().equals(done.set_index("id")["split"].sort_index())


@settings(deadline=None)
@given(group_lists, st.integers(0, 100))
def test_a_row_keeps_its_split_when_other_rows_come_or_go(groups, seed):
    table = make_table(groups)
    whole = assign_splits(table, SHARES, seed).set_index("id")["split"]
    part = assign_splits(table.iloc[::2], SHARES, seed).set_index("id")["split"]
    assert part.equals(whole[part.index])


def test_shares_are_met_and_seeds_differ():
    table = make_table([f"g{k}" for k in range(4000)])
    first = assign_splits(table, SHARES, 0)["split"]
    # Binomial standard deviation is below .008 at n = 4000: the tolerance is above 3.5 of them.
    for split, share in SHARES.items():
        assert (first == split).mean() == pytest.approx(share, abs=0.03)
    agreement = (first == assign_splits(table, SHARES, 1)["split"]).mean()
    assert agreement == pytest.approx(sum(share**2 for share in SHARES.values()), abs=0.03)


def test_pairs_chain_groups_into_one():
    table = make_table(["a", "b", "b", "c", "d"], ["x", "x", "y", "y", None])
    assert merge_groups(table)["group"].tolist() == ["a", "a", "a", "a", "d"]


def test_an_empty_pair_is_no_pair():
    table = make_table(["a", "b"], ["", ""], ["fit", "test"])
    assert merge_groups(table)["group"].tolist() == ["a", "b"]
    check_splits(table, 0)


def test_published_splits_win_and_take_their_group_along():
    table = make_table(["a", "a", "b", "c"], splits=["test", None, "fit", None])
    done = assign_splits(table, {"select": 1.0}, 0)
    assert done["split"].tolist() == ["test", "test", "fit", "select"]


def test_a_group_published_on_two_sides_is_refused():
    with pytest.raises(DataError, match="'a' in fit and test"):
        assign_splits(make_table(["a", "a"], splits=["fit", "test"]), SHARES, 0)


@pytest.mark.parametrize("shares", [{"fit": 0.5}, {"fit": 1.5, "test": -0.5}, {"train": 1.0}])
def test_shares_that_are_no_distribution_are_refused(shares):
    with pytest.raises(DataError, match="shares"):
        assign_splits(make_table(["a"]), shares, 0)


def test_check_names_what_overlaps():
    with pytest.raises(DataError, match="group 'a'"):
        check_splits(make_table(["a", "a"], splits=["fit", "test"]), 0)
    with pytest.raises(DataError, match="pair 'x'"):
        check_splits(make_table(["a", "b"], ["x", "x"], ["fit", "test"]), 0)
    same = make_table(["a", "b"], splits=["fit", "test"], prompts=["Do it now.", "do it  NOW"])
    with pytest.raises(DataError, match=r"'r0' \(fit\) and 'r1' \(test\)"):
        check_splits(same, 0)
    check_splits(make_table(["a", "b"], splits=["fit", "fit"], prompts=["x y", "x y"]), 0)


def test_check_names_splits_that_are_too_small():
    table = make_table(["a", "b", "c"], splits=["fit", "fit", "test"])
    with pytest.raises(DataError, match="split 'select'"):
        check_splits(table)
    check_splits(table, {"fit": 2, "test": 1})
    with pytest.raises(DataError) as caught:
        check_splits(table, {"fit": 3})
    assert caught.value.found == "2 rows" and caught.value.expected == "at least 3"


@settings(deadline=None)
@given(group_lists, st.integers(0, 50), st.integers(0, 4))
def test_limits_keep_whole_groups_and_the_same_ones_in_any_order(groups, seed, limit):
    table = assign_splits(make_table(groups), SHARES, seed)
    kept = limit_rows(table, {"fit": limit}, seed)
    fit = kept[kept["split"] == "fit"]
    assert fit.groupby("label").size().max() <= limit or fit.empty
    assert set(table.loc[table["split"] != "fit", "id"]) <= set(kept["id"])
    for group, rows in table.groupby("group"):
        assert (kept["group"] == group).sum() in (0, len(rows))
    assert set(limit_rows(table.iloc[::-1], {"fit": limit}, seed)["id"]) == set(kept["id"])
