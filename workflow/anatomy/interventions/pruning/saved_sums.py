"""Sums of gradients on disk: of a scoring that goes on from them, and of parts of the model that it is through with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

import torch
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anatomy.errors import MALFORMED
from anatomy.interventions.pruning.block_parts import Part
from anatomy.store.files import write_aside

SAVE_SECONDS = 60.0
"""Between two savings of the sums: a killed scoring loses at most so much, or where saving is slow what ``SAVING_SHARE`` says."""
SAVING_SHARE = 1 / 10
"""Most of the time of a scoring that goes into saving: sums of an 8 B model are 21 GB, a minute or more to some disks."""
SUM, ENTERING = "sum.", "entering."
"""What tensors of a file are called, before a matrix' name or an example's number."""

DAMAGED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError, SafetensorError)
"""What reading a file of sums raises that is not as it was written."""


@dataclass(frozen=True)
class Saving:
    """Where a scoring keeps what it has summed up so far.

    Attributes:
        path: of the file of the lowest blocks' sums; those of upper blocks lie beside it. They are left to the caller to remove,
            once scores are made of the sums.
        key: what decides the sums besides matrices and examples, such as the model's digest.
        seconds: between two savings, at least; 0 for one after each example.
    """

    path: Path
    key: str
    seconds: float = SAVE_SECONDS

    def pause(self, took: float) -> float:
        """Seconds until the next saving, after one that took so many."""
        return max(self.seconds, took * (1 / SAVING_SHARE - 1)) if self.seconds else 0.0

    def file(self, part: Part) -> Path:
        """The file of a part's sums."""
        return self.path.with_name(f"{self.path.stem}.from_block_{part.first}{self.path.suffix}") if part.first else self.path

    def remove(self) -> None:
        """Delete the files of every part."""
        for file in (self.path, *self.path.parent.glob(f"{self.path.stem}.from_block_*{self.path.suffix}")):
            file.unlink(missing_ok=True)


@dataclass
class PartSums:
    """How far the sums of a part are.

    Attributes:
        sums: float32, of each of its matrices' shape; what is restored is put into them.
        counted: examples that are in the sums.
        losses: of these examples, nats a token; of the part that ends with the loss alone.
        entering: gradients by the stream that enters the part, of these examples; of parts that others go on from.
    """

    sums: dict[str, Float32[Tensor, "rows columns"]]
    counted: int = 0
    losses: list[float] = field(default_factory=list)
    entering: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class PartFile:
    """Where the sums of one part are saved.

    Attributes:
        path: of the file.
        made_of: what decides the sums.
    """

    path: Path
    made_of: tuple[str | bool | int, ...]

    def save(self, part: PartSums) -> None:
        """Write how far a part is."""
        said = {"made_of": list(self.made_of), "counted": part.counted, "losses": part.losses, "entering": len(part.entering)}
        tensors = {f"{SUM}{name}": one.cpu().contiguous() for name, one in part.sums.items()}
        tensors |= {f"{ENTERING}{number}": one.contiguous() for number, one in enumerate(part.entering)}
        write_aside(self.path, lambda aside: save_file(tensors, aside, {"scoring": json.dumps(said)}))

    def restore(self, part: PartSums) -> None:
        """Put what was saved of the same part into its sums; nothing where there is no such file, or one of something else.

        Of a damaged file nothing is left in the sums either: examples are counted from the first on, and would be in them twice.
        What a job that was killed while it saved left half written, as large as the sums, is deleted.
        """
        for half in self.path.parent.glob(f".{escape(self.path.name)}.*.partial"):
            half.unlink(missing_ok=True)
        try:
            with safe_open(self.path, framework="pt") as stream:
                said = json.loads(stream.metadata()["scoring"])
                if said["made_of"] != list(self.made_of):
                    return
                for name, one in part.sums.items():
                    one.copy_(stream.get_tensor(f"{SUM}{name}"))
                entering = [stream.get_tensor(f"{ENTERING}{number}") for number in range(said["entering"])]
            if not all(one.sum().isfinite() for one in part.sums.values()):
                raise ValueError("sums that are no numbers were never saved")
            part.counted, part.losses, part.entering = int(said["counted"]), list(said["losses"]), entering
        except DAMAGED:
            for one in part.sums.values():
                one.zero_()


@dataclass(frozen=True)
class SumsOfParts(Mapping[str, Tensor]):
    """Sums of all matrices by name, of which some are read from a file each time they are asked for.

    Attributes:
        memory: sums of the lowest part.
        disk: by name, the file of another part (``PartFile``), and the device that the sum goes to.
    """

    memory: dict[str, Float32[Tensor, "rows columns"]]
    disk: dict[str, tuple[Path, torch.device]]

    def __getitem__(self, name: str) -> Float32[Tensor, "rows columns"]:
        if name not in self.disk:
            return self.memory[name]
        path, device = self.disk[name]
        with safe_open(path, framework="pt") as stream:
            return stream.get_tensor(f"{SUM}{name}").to(device)

    def __iter__(self) -> Iterator[str]:
        yield from self.memory
        yield from self.disk

    def __len__(self) -> int:
        return len(self.memory) + len(self.disk)
