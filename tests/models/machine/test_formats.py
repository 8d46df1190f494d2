"""Which number format is fast: CPU flags, a probe, and what is said of a format that is slow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anatomy.models.machine import formats

ROOT = Path(__file__).resolve().parents[3]
ASK = (
    "from anatomy.models.machine.formats import *; said = []; warn_if_slow('bfloat16', 'models.mine.dtype', said.append); "
    "print(fast_format('cpu'), resolved('auto'), resolved('float16'), *said, sep='|')"
)


def ask(**variables):
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **variables},
    )
    return done.stdout.strip().split("|")


@pytest.fixture
def forgotten():
    """Nothing is remembered of this machine, before and after."""
    for remembered in (formats.fast_format, formats.product_rate):
        remembered.cache_clear()
    yield
    for remembered in (formats.fast_format, formats.product_rate):
        remembered.cache_clear()


def test_a_cpu_that_is_kept_to_avx2_takes_float32_and_says_how_slow_the_other_is():
    fast, auto, named, *said = ask(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    assert (fast, auto, named) == ("float32", "float32", "float16")
    assert len(said) == 1 and said[0].startswith("models.mine.dtype: this CPU multiplies in bfloat16 ")
    assert int(said[0].split(" times")[0].split()[-1]) >= formats.SLOW and "dtype: auto" in said[0]


@pytest.mark.skipif(not formats.bfloat16_instructions(), reason="this CPU has no instructions for bfloat16")
def test_a_cpu_with_the_instructions_takes_bfloat16_without_a_word():
    assert ask(ONEDNN_MAX_CPU_ISA="ALL") == ["bfloat16", "bfloat16", "float16"]


@pytest.mark.parametrize(
    ("flags", "rates", "expected"),
    [
        (("amx_bf16",), {"float32": 1e11, "bfloat16": 4e11}, "bfloat16"),
        (("avx512_bf16",), {"float32": 1e11, "bfloat16": 1e9}, "float32"),  # there, and not used
        (("avx512_bf16",), {"float32": 1e11, "bfloat16": 1.05e11}, "float32"),  # as fast, and less exact
        ((), {"float32": 5e10, "bfloat16": 1e12}, "float32"),
    ],
)
def test_flags_and_probe_decide_together(flags, rates, expected, forgotten, monkeypatch):
    monkeypatch.setattr(formats, "bfloat16_instructions", lambda: flags)
    monkeypatch.setattr(formats, "product_rate", lambda dtype, threads=1: rates[dtype])
    assert formats.fast_format("cpu") == expected


def test_a_named_format_stays_what_it_is():
    assert [formats.resolved(name) for name in ("float32", "bfloat16", "float16")] == ["float32", "bfloat16", "float16"]
    assert formats.foreseen("float16", on_gpu=True) == "float16" and formats.foreseen("auto", on_gpu=True) == "bfloat16"
    assert formats.foreseen("auto", on_gpu=False) in ("float32", "bfloat16")


def test_the_probe_leaves_the_number_of_threads(forgotten):
    before = torch.get_num_threads()
    assert formats.product_rate("float32", threads=2) > 1e8
    assert torch.get_num_threads() == before
