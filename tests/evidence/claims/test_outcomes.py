"""Outcomes read from tables and aligned between variants."""

import pandas as pd
import pytest

from anatomy.evidence.claims.outcomes import change, metric_values, refusals
from anatomy.evidence.claims.tables import (
    BASE,
    MissingEvidence,
    Tables,
    VariantSelector,
    find_controls,
    find_variant,
    read_tables,
)

WHERE = {"model": "m", "variant": "v", "prompts": "s", "judge": "rules", "phase": "test"}


def judged(labels: list[str], failures: int = 0) -> Tables:
    rows = [
        {"model": "m", "variant": "v", "phase": "test", "set": "s", "id": f"i{i // 2}", "sample": i % 2, "group": "g"}
        | {"judge": "rules", "label": label, "score": 0.0, "raw": "", "parse_failure": i < failures}
        for i, label in enumerate(labels)
    ]
    return Tables(judgements=pd.DataFrame(rows))


def test_samples_of_an_item_are_averaged_and_partial_refusals_count():
    read = refusals(judged(["full", "none", "partial", "full"]), **WHERE)
    assert read["value"].to_dict() == {"i0": 0.5, "i1": 1.0}


def test_few_unreadable_judgements_are_left_out_and_many_stop_the_comparison():
    assert len(refusals(judged(["none"] * 60, failures=2), **WHERE)) == 29
    with pytest.raises(MissingEvidence, match="10 of 60 not readable"):
        refusals(judged(["none"] * 60, failures=10), **WHERE)


def test_alignment_ignores_order_and_refuses_different_items():
    frame = pd.DataFrame({"value": [0.0, 1.0, 0.0], "group": ["g", "g", "h"]}, index=["a", "b", "c"])
    moved = frame.assign(value=[1.0, 1.0, 0.0]).iloc[::-1]
    assert sorted(change(frame, moved, where="x").values) == [0.0, 0.0, 1.0]
    with pytest.raises(MissingEvidence, match="1 of 3 not on both sides"):
        change(frame, moved.iloc[1:], where="x")


def test_missing_table_set_and_metric_name_what_is_missing(tables):
    with pytest.raises(MissingEvidence, match="nothing was measured"):
        refusals(Tables(), **WHERE)
    with pytest.raises(MissingEvidence, match="set nowhere"):
        refusals(tables, **WHERE | {"model": "weak", "variant": "base", "prompts": "nowhere"})
    with pytest.raises(MissingEvidence, match="120 items without one"):
        metric_values(tables, model="weak", variant="base", task="mmlu", metric="mc2", phase="test")


def test_variants_are_found_by_what_they_are(tables):
    method = find_variant(tables, "weak", VariantSelector("method", "row_mean"), "test")
    assert method["variant"] == "row_mean~0000beef"
    assert find_variant(tables, "weak", BASE, "test")["variant"] == "base"
    own = find_controls(tables, method)
    assert len(own) == 19 and all(name.startswith("row_mean~") for name in own)
    assert find_controls(tables, find_variant(tables, "weak", VariantSelector("method", "projection"), "test")) == []
    with pytest.raises(MissingEvidence, match="3 variants"):
        find_variant(tables, "weak", VariantSelector("method"), "test")


def test_tables_round_trip_through_parquet(tables, tmp_path):
    tables.variants.iloc[:50].to_parquet(tmp_path / "a.parquet")
    tables.variants.iloc[50:].to_parquet(tmp_path / "b.parquet")
    read = read_tables({"variants": [tmp_path / "a.parquet", tmp_path / "b.parquet"], "grid": []})
    assert len(read.variants) == len(tables.variants) and read.grid is None
    with pytest.raises(MissingEvidence, match="table grid"):
        read.rows("grid", model="weak")
