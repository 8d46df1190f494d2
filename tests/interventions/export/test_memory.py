"""Streaming holds less than the largest tensor, however large the checkpoint is."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

ROWS, COLUMNS, TENSORS = 1536, 8192, 5
"""A largest tensor of 24 MiB in bfloat16, the dtype that needs most beside itself; five of them."""

PROGRAM = """
import sys
from pathlib import Path
import torch
from anatomy.interventions.export.rewrite import LowRank
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint

def kilobytes(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

torch.set_num_threads(1)
checkpoint = Checkpoint(Path(sys.argv[1]))
a, b = torch.ones(1, checkpoint.shape("w0")[1]), torch.full((checkpoint.shape("w0")[0], 1), 0.01)
torch.ones(4).to(torch.bfloat16).float().double().square().sum()  # lazy parts of torch are no part of the stream
open("/proc/self/clear_refs", "w").write("5")  # peak := now
before = kilobytes("VmRSS")
stream_checkpoint(checkpoint, {f"w{i}": LowRank(a, b) for i in (0, 1, 3)}, Path(sys.argv[2]))
print((kilobytes("VmHWM") - before) * 1024)
"""


def test_peak_memory_stays_below_one_tensor(tmp_path):
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the peak of a process cannot be reset here")
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    (source / "config.json").write_text(json.dumps({"num_hidden_layers": 1, "hidden_size": ROWS}))
    save_file(
        {f"w{i}": torch.full((ROWS, COLUMNS), float(i), dtype=torch.bfloat16) for i in range(TENSORS)},
        source / "model.safetensors",
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, out],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    largest = ROWS * COLUMNS * 2
    assert int(done.stdout) < largest
    assert (out / "model.safetensors").stat().st_size == (source / "model.safetensors").stat().st_size > TENSORS * largest
