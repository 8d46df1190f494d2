"""How fast this machine passes tokens through a model: blocks of random numbers in the model's shape and format, timed in about
a second.

Whole blocks and not products alone, since norms and attention take their share, which differs between formats and processors.
Reading prompts is bound by arithmetic; a decoding step of few sequences by reading the weights from memory, and with each further
sequence by arithmetic again. A format that the processor multiplies slowly shows in all three numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from anatomy.errors import NumericsError

WIDEST = 1024
"""Beyond this width a product's rate no longer grows, and a block in a slow format would take seconds to measure."""


@dataclass(frozen=True)
class BlockShape:
    """Widths of a decoder's blocks, and how many there are."""

    d_model: int
    intermediate: int
    heads: int
    kv_heads: int
    layers: int

    def measurable(self) -> BlockShape:
        """The shape with which the machine is timed: this one, its heads made equally and evenly wide. Every shape wider than
        ``WIDEST`` is timed as one of that width in the proportions of Llama 3, so that many large models need one measurement."""
        if self.d_model > WIDEST:
            return BlockShape(WIDEST, 7 * WIDEST // 2, 8, 2, 32)
        kv_heads = next(count for count in range(self.kv_heads, 0, -1) if self.heads % count == 0)
        width = max(2, 2 * round(self.d_model / self.heads / 2))
        return BlockShape(width * self.heads, self.intermediate, self.heads, kv_heads, self.layers)

    @property
    def parameters(self) -> int:
        """Numbers in the matrices of one block: queries, keys, values, output, and a gated feed-forward layer."""
        kv = self.d_model // self.heads * self.kv_heads
        return 2 * self.d_model * (self.d_model + kv) + 3 * self.d_model * self.intermediate


@dataclass(frozen=True)
class Rate:
    """What a model costs on this machine.

    Attributes:
        reading: operations a second (2 a parameter and token) while prompts are read.
        step: seconds a parameter of a decoding step for one sequence.
        sequence: seconds a parameter of each further sequence in the step.
    """

    reading: float
    step: float
    sequence: float

    def decoding(self, sequences: float | int) -> float:
        """Seconds a parameter of one step for so many sequences."""
        return self.step + self.sequence * max(0.0, sequences - 1)


@dataclass(frozen=True)
class Rates:
    """Rates of the two libraries that run models: vLLM packs weights for oneDNN, transformers multiplies them as they are."""

    transformers: Rate
    vllm: Rate

    def times(self, threads: int) -> Rates:
        """The rates of so many threads, if nothing is lost by sharing the work."""
        return Rates(
            *(Rate(one.reading * threads, one.step / threads, one.sequence / threads) for one in (self.transformers, self.vllm))
        )


def machine_rates(shape: BlockShape, dtype: str, threads: int = 1) -> Rates:
    """The rates of this machine, measured once a process by another one, which needs no more than torch.

    A process of its own, because threads are set for a whole process, and because the controller of a run and a plan can do
    without torch in theirs.

    Raises:
        NumericsError: the measurement failed.
    """
    return _asked(shape.measurable(), dtype, threads)


@cache
def _asked(shape: BlockShape, dtype: str, threads: int) -> Rates:
    asked = json.dumps({"shape": asdict(shape), "dtype": dtype, "threads": threads})
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "anatomy.models.machine.blocks"],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)},
    )
    try:
        return Rates(**{library: Rate(**rate) for library, rate in json.loads(done.stdout.splitlines()[-1]).items()})
    except (IndexError, ValueError, TypeError, AttributeError):
        raise NumericsError(
            found=done.stderr.strip()[-300:] or f"exit status {done.returncode}",
            expected="this machine's rate",
            where="the measurement of a plan",
            remedy="state resources.core_gigaflops",
        ) from None
