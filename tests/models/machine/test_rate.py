"""What is measured of this machine. How fast it is asserts nothing: that it is measured in the model's shape and format does."""

import json
import math

import pytest
import torch

from anatomy.errors import NumericsError
from anatomy.models.machine import blocks
from anatomy.models.machine import rate as module
from anatomy.models.machine.blocks import Blocks, measure, quickest
from anatomy.models.machine.rate import WIDEST, BlockShape, Rate, Rates, machine_rates

SMALL = BlockShape(32, 48, 2, 1, 3)
SHAPES = [
    SMALL,
    BlockShape(576, 1536, 9, 3, 30),
    BlockShape(4096, 14336, 32, 8, 32),
    BlockShape(3584, 18944, 28, 4, 28),
    BlockShape(2048, 8192, 8, 1, 18),
    BlockShape(1152, 6912, 4, 1, 26),
    BlockShape(100, 50, 3, 3, 1),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_heads_divide_whatever_the_shape_and_wide_ones_are_measured_as_one(shape):
    found = shape.measurable()
    assert found.d_model <= WIDEST and found.d_model % found.heads == 0
    assert found.heads % found.kv_heads == 0 and (found.d_model // found.heads) % 2 == 0
    if shape.d_model <= WIDEST:
        assert found.d_model == pytest.approx(shape.d_model, rel=0.05)
        assert (found.intermediate, found.layers) == (shape.intermediate, shape.layers)
    assert found.measurable() == found
    assert len({wide.measurable() for wide in SHAPES if wide.d_model > WIDEST}) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("packed", [False, True])
def test_a_block_is_the_products_that_it_counts(dtype, packed):
    made = Blocks(SMALL, dtype, packed)
    assert made.count == SMALL.layers
    counted = Blocks(SMALL, dtype, False).weights[0].values()
    assert sum(matrix.numel() for matrix in counted) == SMALL.parameters
    with torch.inference_mode():
        made.read(2)
        made.decode(3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_format_has_a_rate_and_threads_stay_as_they_were(dtype):
    before = torch.get_num_threads()
    rates = measure(SMALL, dtype, 1)
    assert torch.get_num_threads() == before
    for one in (rates.transformers, rates.vllm):
        assert math.isfinite(one.reading) and one.reading > 0 and one.step > 0 and one.sequence >= 0
        assert one.decoding(1) == one.step and one.decoding(64) >= one.decoding(2) >= one.step


def test_a_process_of_its_own_answers_once_for_each_question(monkeypatch):
    asked = []
    real = module.subprocess.run

    def counting(*arguments, **options):
        asked.append(json.loads(options["input"]))
        return real(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "run", counting)
    module._asked.cache_clear()
    first, again = machine_rates(SMALL, "float32", 1), machine_rates(SMALL, "float32", 1)
    assert first is again and first.transformers.reading > 0
    assert [(one["dtype"], one["threads"]) for one in asked] == [("float32", 1)]


def test_a_measurement_that_fails_names_the_way_out():
    with pytest.raises(NumericsError, match="core_gigaflops"):
        machine_rates(SMALL, "no_such_format", 1)


def test_what_else_runs_does_not_count(monkeypatch):
    """Processor time is asked, not the clock on the wall: seconds that others have the core are none of the machine's rate."""
    ticks = iter([0.0, 3.0, 10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr(blocks.time, "process_time", lambda: next(ticks))
    assert quickest(lambda: None, 2) == 1.5  # the first call took long enough to be told


def test_threads_multiply_what_one_does():
    one = Rates(Rate(10.0, 4.0, 2.0), Rate(20.0, 2.0, 1.0))
    assert one.times(2) == Rates(Rate(20.0, 2.0, 1.0), Rate(40.0, 1.0, 0.5))
