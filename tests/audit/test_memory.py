"""An audit holds less than the largest tensor, whatever was done to it."""

import json
import subprocess
import sys

import torch
from audited_checkpoints import rewritten
from quick_run import ROOT
from tiny_model import make_tiny_model

from anatomy.models.checkpoint import EMBEDDING, Checkpoint

ROWS = 400_000
"""Of an embedding of 64 columns in float32: 102 MB."""
MEASURE = """
import resource, sys
from pathlib import Path
import torch
from anatomy.audit.weights import audit_weights
from anatomy.models.checkpoint import Checkpoint
torch.set_num_threads(1)
small, large = sys.argv[1:3], sys.argv[3:5]
audit_weights(*(Checkpoint(Path(folder)) for folder in small))  # what libraries take at their first use
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = audit_weights(*(Checkpoint(Path(folder)) for folder in large))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(found.changed))
"""


def widened(source: Checkpoint, folder, seed: int | None) -> Checkpoint:
    """A checkpoint whose embedding is large; with a seed every entry of it is another one."""

    def rows(name, tensor):
        if name != EMBEDDING:
            return tensor
        generator = torch.Generator().manual_seed(1)
        values = torch.randn(ROWS, 64, generator=generator)
        return values if seed is None else values + 0.01 * torch.randn(values.shape, generator=generator.manual_seed(seed))

    made = rewritten(source, folder, rows)
    path = made.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": ROWS}))
    return made


def test_the_largest_tensor_is_never_in_memory(tmp_path):
    source = Checkpoint(make_tiny_model(tmp_path / "source", layers=1))
    small = [source, rewritten(source, tmp_path / "small", lambda _, tensor: tensor + 0.01 * torch.randn(tensor.shape))]
    large = [widened(source, tmp_path / f"large-{seed}", seed) for seed in (None, 2)]
    folders = [str(one.folder) for one in (*small, *large)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *folders], capture_output=True, text=True, cwd=ROOT / "workflow", check=True
    )
    grown, changed = map(int, done.stdout.split())
    assert changed == 1
    assert grown * 1024 < 4 * 64 * ROWS, "KiB grown beyond what the small audit took"
