"""An edited checkpoint written by streaming, against ``cp`` of its files; fsync on both sides."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from speed.comparison import Comparison
from speed.repeats import seconds
from speed.setting import Setting

from anatomy.interventions.export.rewrite import LowRank
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint

PAIRS = 5
TARGETS = {"float32": 1.3, "bfloat16": 2.0}


def measure(setting: Setting) -> list[Comparison]:
    found = []
    for dtype, target in TARGETS.items():
        source, out = setting.scratch / f"export-{dtype}", setting.scratch / "exported"
        write_checkpoint(source, getattr(torch, dtype), setting.of(1100, 8))
        taken: dict[str, list[float]] = {"ours": [], "cp": []}
        # At least five pairs, however few repeats the other rows have: a disk's state moves both sides by factors.
        for pair in range(max(PAIRS, setting.repeats) if not setting.quick else 1):
            for name, write in _turned({"ours": stream, "cp": copy}, pair):
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                os.sync()
                taken[name].append(seconds(partial(write, source, out)))
        shutil.rmtree(out)
        size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
        model = f"{size / 2**20:.0f} MiB in 2 files, {dtype}"
        found.append(
            Comparison(
                "export",
                "cp --reflink=never",
                target,
                "at most",
                taken["ours"],
                taken["cp"],
                model,
                size / 2**20,
                "MiB",
                f"o_proj and down_proj edited, {edited_share(source):.0%} of the bytes; "
                f"{len(taken['cp'])} alternated pairs on {file_system(setting.scratch)}, source in page cache",
            )
        )
        checkpoint = Checkpoint(source)
        largest = max(checkpoint.stored_bytes(name) for name in edits(checkpoint))
        found.append(
            Comparison(
                f"export, memory, {dtype}",
                "the largest edited tensor",
                2.0,
                "at most",
                [peak(source, out)],
                [float(largest)],
                model,
                unit="bytes",
                note="peak resident memory above that at the start",
            )
        )
        shutil.rmtree(source)
        shutil.rmtree(out, ignore_errors=True)
    return found


def write_checkpoint(folder: Path, dtype: torch.dtype, mebibytes: int) -> None:
    """Blocks of a Llama's matrices (grouped keys and values) until the size is reached, in two files."""
    width = 2048 if mebibytes > 500 else 256
    keys, inner = width // 4, width * 11 // 4
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    block = {name: torch.randn(shape).mul_(0.02).to(dtype) for name, shape in shapes.items()}
    size = sum(tensor.nbytes for tensor in block.values())
    layers = -(-mebibytes * 2**20 // size)
    folder.mkdir()
    (folder / "config.json").write_text(f'{{"num_hidden_layers": {layers}, "hidden_size": {width}}}')
    places: dict[str, str] = {}
    for half, numbers in enumerate((range(layers // 2), range(layers // 2, layers)), 1):
        named = {f"model.layers.{n}.{name}.weight": tensor.clone() for n in numbers for name, tensor in block.items()}
        file = f"model-{half:05d}-of-00002.safetensors"
        save_file(named, folder / file)
        places |= dict.fromkeys(named, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def edits(checkpoint: Checkpoint) -> dict[str, LowRank]:
    names = [name for name in checkpoint.names() if "o_proj" in name or "down_proj" in name]
    shapes = {name: checkpoint.shape(name) for name in names}
    return {name: LowRank(torch.ones(1, columns), torch.full((rows, 1), 0.01)) for name, (rows, columns) in shapes.items()}


def edited_share(source: Path) -> float:
    checkpoint = Checkpoint(source)
    edited, total = (sum(map(checkpoint.stored_bytes, names)) for names in (edits(checkpoint), checkpoint.names()))
    return edited / total


def stream(source: Path, out: Path) -> None:
    checkpoint = Checkpoint(source)
    stream_checkpoint(checkpoint, edits(checkpoint), out)


def copy(source: Path, out: Path) -> None:
    subprocess.run(["cp", "--reflink=never", *map(str, source.iterdir()), str(out)], check=True)
    for path in out.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def peak(source: Path, out: Path) -> float:
    """Bytes above its start that a process of its own holds at most while it exports."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    path = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(
        [sys.executable, __file__, str(source), str(out)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return float(done.stdout)


def file_system(folder: Path) -> str:
    return subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True).stdout.strip()


def _turned(sides: dict[str, Callable], pair: int) -> list[tuple[str, Callable]]:
    return list(sides.items()) if pair % 2 == 0 else list(reversed(sides.items()))


def _kilobytes(name: str) -> int:
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)).split()[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.ones(4).to(torch.bfloat16).float().double().square().sum()  # lazy parts of torch are no part of the stream
    Path("/proc/self/clear_refs").write_text("5")  # peak := now
    before = _kilobytes("VmRSS")
    stream(Path(sys.argv[1]), Path(sys.argv[2]))
    print((_kilobytes("VmHWM") - before) * 1024)
