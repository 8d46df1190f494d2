import pandas as pd

from anatomy.sources.prompts.audit import audit, find_near_duplicates, merge_groups
from anatomy.sources.prompts.table import read_prompts


def make_table(prompts, splits=None, prefix="r"):
    ids = [f"{prefix}{k}" for k in range(len(prompts))]
    columns = {"id": ids, "prompt": prompts, "group": ids, "pair": [None] * len(prompts)}
    if splits:
        columns["split"] = splits
    return pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})


def test_kinds_of_duplicates_and_merging():
    table = make_table(
        [
            "How do I bake a loaf of bread at home?",
            "how do i bake a loaf of bread at home",
            "How do I bake a loaf of bread at home today?",
            "Where is the station?",
            "Where is the station?",
        ]
    )
    found = find_near_duplicates(table, 0.8)
    kinds = {(row.id_a, row.id_b): row.kind for row in found.itertuples()}
    assert kinds == {("r0", "r1"): "normalised", ("r0", "r2"): "near", ("r3", "r4"): "exact"}
    assert merge_groups(table, found)["group"].tolist() == ["r0", "r0", "r0", "r3", "r3"]


def test_nothing_alike_gives_an_empty_table_that_merges():
    table = make_table(["one thing", "quite another"])
    found = find_near_duplicates(table, 0.8)
    assert len(found) == 0 and merge_groups(table, found)["group"].tolist() == ["r0", "r1"]


def test_audit_counts_rows_and_pairs_within_and_between_parts():
    first = make_table(["a b c d e", "a b c d e", "unlike all others"], ["fit", "test", "test"])
    second = make_table(["A B C D E!", "something else again"], prefix="s")
    report = audit({"first": first, "second": second}, 0.9).set_index(["set_a", "split_a", "set_b", "split_b", "kind"])
    counts = report[report["n_pairs"] > 0]
    assert {key: tuple(int(n) for n in row) for key, row in zip(counts.index, counts.to_numpy(), strict=True)} == {
        ("first", "fit", "first", "test", "exact"): (1, 1, 1),
        ("first", "fit", "second", "", "normalised"): (1, 1, 1),
        ("first", "test", "second", "", "normalised"): (1, 1, 1),
    }
    assert len(report) == 3 * 6  # three parts make six pairs of parts, three kinds each, zeros included


def test_duplicates_inside_one_part_count_each_row_once():
    report = audit({"s": make_table(["x y z"] * 3)}, 1.0).set_index("kind")
    assert report.loc["exact", ["n_pairs", "n_a", "n_b"]].tolist() == [3, 3, 3]


def test_published_train_and_validation_prompts_overlap_as_known(shared_data):
    """The published harmful splits share no wording: an audit that finds some, or misses a planted one, is wrong."""
    folder = shared_data / "refusal_direction"
    tables = {
        name: read_prompts(folder / f"{name}.json", {"instruction": "prompt"}, name, derive_ids=True)
        for name in ("harmful_train", "harmful_val", "harmless_val")
    }
    planted = tables["harmful_train"].iloc[:1].assign(id="planted", prompt=lambda t: t["prompt"].str.upper() + " ")
    tables["harmful_val"] = pd.concat([tables["harmful_val"], planted], ignore_index=True)
    report = audit(tables, 0.8).set_index(["set_a", "set_b", "kind"])["n_pairs"]
    assert report["harmful_train", "harmful_val", "exact"] == 0
    assert report["harmful_train", "harmful_val", "normalised"] == 1
    assert report["harmful_val", "harmless_val", "exact"] == 0
