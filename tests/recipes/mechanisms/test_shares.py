"""Shares over pairs: summed effects over summed differences, which no pair whose runs hardly differ decides."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.recovery_over_pairs import weighed, weights_of
from anatomy.models.loading import LoadedModel
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.circuit_figures import subspaces_table
from anatomy.recipes.mechanisms.claims import recovery_at_pick
from anatomy.recipes.mechanisms.shares import share_of
from anatomy.recipes.mechanisms.stages.circuits import ranked_heads
from anatomy.statistics.clusters import bootstrap_difference

MODEL = "aligned.s0"


def pairs_of(gaps, effects):
    """A row a pair, of the stream at the picked place."""
    own = effects / np.where(gaps == 0, np.nan, gaps)
    rows = pd.DataFrame({"id": [f"p{n}" for n in range(len(gaps))], "clean": gaps, "corrupt": 0.0, "recovery": own})
    return rows.assign(group=rows["id"], part="stream", layer=1, column=-1, way="denoise", model=MODEL)


def nineteen_and_a_tiny_one():
    """Half comes back of nineteen pairs whose runs differ by 10; those of the twentieth by a thousandth, and it moves by 1."""
    return pairs_of(np.array([10.0] * 19 + [0.001]), np.array([5.0] * 19 + [1.0]))


def test_one_tiny_difference_does_not_decide_what_comes_back():
    rows = nineteen_and_a_tiny_one()
    picked = pd.DataFrame([{"model": MODEL, "outcome": "picked", "position": -1, "layer": 1}])
    found = recovery_at_pick(MODEL)(Tables(patching=rows, picked=picked)).sample
    assert rows["recovery"].mean() > 50 and found.mean == pytest.approx(96.0 / 190.001)
    assert np.ptp(found.values) < 0.2 and weighed(rows)["recovery"].mean() == pytest.approx(found.mean)


def test_the_spread_is_that_of_the_ratio_when_pairs_are_drawn_again():
    generator = np.random.default_rng(0)
    gaps = generator.uniform(4, 12, size=60)
    effects = 0.5 * gaps + generator.normal(scale=0.4, size=60)
    rows = pairs_of(gaps, effects)
    found = share_of(rows, weights_of(rows), "recovery").sample
    assert found.mean == pytest.approx(effects.sum() / gaps.sum())
    drawn = bootstrap_difference(found, None, seed=0, resamples=2000)
    again = generator.integers(60, size=(2000, 60))
    assert drawn.std() == pytest.approx((effects[again].sum(1) / gaps[again].sum(1)).std(), rel=0.1)
    assert (effects / gaps.mean()).std() > 2 * found.values.std(), "the fixed mean in the denominator would be far too wide"


def test_a_table_of_subspaces_tells_the_same_share():
    rows = nineteen_and_a_tiny_one().assign(rank=1, subspace="learned", draw=0, length=1.0)
    config = check_config({"statistics": {"bootstrap": 200}}, "a test")
    (row,) = subspaces_table(config, Tables(interchange=rows), MODEL).itertuples()
    assert row.recovery == pytest.approx(96.0 / 190.001) and row.low < row.recovery < row.high < 0.7


def test_without_differences_there_is_no_share():
    for gaps in ([0.0, 0.0], [3.0, -3.0]):
        rows = pairs_of(np.array(gaps), np.ones(2))
        assert weights_of(rows).empty and weighed(rows)["recovery"].isna().all()
        with pytest.raises(MissingEvidence) as missing:
            share_of(rows, weights_of(rows), "recovery")
        assert "same metric" in missing.value.because
    rows = pairs_of(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0]))
    assert isinstance(found := share_of(rows, weights_of(rows), "recovery"), Contrast) and found.sample.n == 2
    assert found.sample.mean == pytest.approx(0.5)


def test_where_no_runs_differ_no_head_is_followed():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    loaded = LoadedModel(
        AutoModelForCausalLM.from_config(LlamaConfig(**sizes)).eval(), SimpleNamespace(pad_token_id=0), Path(), "", 2, 32
    )
    config, metric = check_config({}, "a test"), RefusalMetric((3,), 0.0)
    one, other = (1, 5, 6, 7), (1, 5, 6, 9)
    alike = [PairedPrompts(f"p{n}", f"q{n}", f"g{n}", one, one) for n in range(2)]
    assert ranked_heads(config, loaded, alike, metric).empty
    assert len(ranked_heads(config, loaded, [PairedPrompts("p", "q", "g", one, other), *alike], metric)) == 4
