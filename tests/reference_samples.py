"""lm-eval's transformers backend over a model in memory, and what it means that two tables of samples agree."""

import numpy as np
import pandas as pd
import pytest

from anatomy.serving.benchmarks.sample_rows import COLUMNS


def reference(loaded):
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=1, max_length=1023)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """One-token choices within 1e-4 nats, longer ones within 1e-5 relative; metrics equal where no tie decides."""
    assert list(found["item"]) == list(expected["item"])
    for one, other in zip(found.itertuples(), expected.itertuples(), strict=True):
        tolerance = {"abs": 1e-4} if one.task.endswith("letters") or "mmlu" in one.task else {"rel": 1e-5}
        assert one.loglikelihoods == pytest.approx(other.loglikelihoods, **tolerance)
    metrics = [column for column in found if column not in COLUMNS[:6]]
    # An untrained model's choices can tie within rounding: equality of accuracies is asked where the best two differ.
    clear = [np.diff(np.sort(row)[-2:])[0] > 1e-3 for row in expected["loglikelihoods"]]
    pd.testing.assert_frame_equal(found.loc[clear, metrics], expected.loc[clear, metrics], rtol=1e-3)
