import json

import pandas as pd
import pytest
from prompt_files import HARMLESS, prompt_set, write

from anatomy.errors import DataError
from anatomy.sources.prompts.prepare import PromptSetSpec, PromptSource, prepare_set

SHARES = {"fit": 0.5, "select": 0.2, "test": 0.3}


def make_spec(*sources, **changes):
    options = {"name": "mine", "shares": SHARES, "seed": 0, "near_duplicate": 0.8, **changes}
    return PromptSetSpec(sources=tuple(sources), **options)


def write_csv(path, rows):
    pd.DataFrame(rows, columns=["id", "prompt"]).to_csv(path, index=False)
    return path


@pytest.fixture
def many(tmp_path):
    words = ["river", "stone", "cloud", "apple", "violin", "harbour", "pepper", "window"]
    rows = [(f"{a}-{b}", f"Tell a tale of {a} against {b}") for a in words for b in words if a != b]
    return write_csv(tmp_path / "many.csv", rows)


def test_set_is_written_whole_with_its_audit(tmp_path, many):
    out = tmp_path / "deep" / "mine.parquet"
    table = prepare_set(make_spec(PromptSource(many, values={"label": "benign"}), require_label=True), out)
    pd.testing.assert_frame_equal(pd.read_parquet(out), table)
    record = json.loads(out.with_suffix(".audit.json").read_text())
    assert record["rows"] == 56 == sum(record["splits"].values())
    assert sorted(path.name for path in out.parent.iterdir()) == ["mine.audit.json", "mine.parquet"]
    assert all(row["n_pairs"] == 0 for row in record["overlap"] if row["split_a"] != row["split_b"])


def test_rows_in_another_order_give_the_same_table(tmp_path, many):
    first = prepare_set(make_spec(PromptSource(many), limits={"fit": 10}), tmp_path / "a.parquet")
    pd.read_csv(many).iloc[::-1].to_csv(tmp_path / "turned.csv", index=False)
    second = prepare_set(make_spec(PromptSource(tmp_path / "turned.csv"), limits={"fit": 10}), tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(first, second)
    assert (first["split"] == "fit").sum() <= 10


def test_near_duplicates_land_on_one_side(tmp_path):
    rows = [(f"{k}{v}", f"Story number {k * 7919} about {'x' * k} {v}") for k in range(1, 40) for v in ("a", "b")]
    path = write_csv(tmp_path / "near.csv", rows)
    table = prepare_set(make_spec(PromptSource(path), near_duplicate=0.7), tmp_path / "a.parquet")
    sides = table.assign(stem=table["id"].str[:-1]).groupby("stem")["split"].nunique()
    assert sides.max() == 1


def test_published_files_keep_their_splits(tmp_path, many):
    train = write_csv(tmp_path / "train.csv", [("t1", "the first prompt"), ("t2", "a second, unlike it")])
    table = prepare_set(
        make_spec(PromptSource(train, split="fit"), PromptSource(many, split="test"), minimum={"fit": 2, "test": 50}),
        tmp_path / "a.parquet",
    )
    assert set(table.loc[table["split"] == "fit", "id"]) == {"t1", "t2"}


def test_published_splits_with_a_common_prompt_are_refused_and_nothing_is_written(tmp_path):
    train = write_csv(tmp_path / "train.csv", [("t1", "the same prompt")])
    held = write_csv(tmp_path / "test.csv", [("s1", "The same prompt!")])
    with pytest.raises(DataError, match="same wording"):
        prepare_set(
            make_spec(PromptSource(train, split="fit"), PromptSource(held, split="test"), minimum=0), tmp_path / "a.parquet"
        )
    assert not list(tmp_path.glob("a.*"))


def test_an_id_in_two_files_is_refused(tmp_path):
    one = write_csv(tmp_path / "1.csv", [("x", "one")])
    two = write_csv(tmp_path / "2.csv", [("x", "two")])
    with pytest.raises(DataError, match="'x' of several rows"):
        prepare_set(make_spec(PromptSource(one), PromptSource(two)), tmp_path / "a.parquet")


def test_splits_that_come_out_too_small_are_refused(tmp_path, many):
    with pytest.raises(DataError, match="at least 40"):
        prepare_set(make_spec(PromptSource(many), minimum=40), tmp_path / "a.parquet")


def test_published_harmful_splits_make_a_set(tmp_path, shared_data):
    folder = shared_data / "refusal_direction"
    columns = {"instruction": "prompt"}
    sources = [
        PromptSource(folder / "harmful_train.json", columns, {"label": "harmful"}, "fit", derive_ids=True),
        PromptSource(folder / "harmful_val.json", columns, {"label": "harmful"}, "select", derive_ids=True),
    ]
    spec = make_spec(*sources, minimum={"fit": 128, "select": 32}, require_label=True, limits={"fit": 128})
    table = prepare_set(spec, tmp_path / "harmful.parquet")
    assert table["split"].value_counts().to_dict() == {"fit": 128, "select": 39}


def test_a_file_with_a_prompt_a_line_is_a_prompt_set(tmp_path):
    path = write(tmp_path / "calm.txt", "\ufeff" + "\r\n\r\n".join(HARMLESS) + "\r\n")
    table = prompt_set(path, label="harmless", derive_ids=True)[0]
    assert sorted(table["prompt"]) == sorted(HARMLESS) and set(table["label"]) == {"harmless"}
