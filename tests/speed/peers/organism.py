"""The one model that tools may be measured on: the organism's aligned member, whose harm is invented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.config.study import Layout, Subject
from anatomy.errors import ModelError
from anatomy.organism.checkpoint import load_weights, parameter_digest
from anatomy.stages.prompts import phase_prompts
from anatomy.store.files import read_json

MEMBER = "aligned"
SETS = {"harmful": "harmful_requests", "harmless": "benign_requests"}


@dataclass(frozen=True)
class Organism:
    """A grown family of which the aligned member is measured.

    Attributes:
        results: folder of results in which it was grown.
        seed: of the family.
    """

    results: Path
    seed: int

    @property
    def folder(self) -> Path:
        """Where its truth lies."""
        return Path(Layout(str(self.results)).organism(self.seed))

    @property
    def model(self) -> Path:
        """Weights and tokenizer of the aligned member."""
        return self.folder / "models" / MEMBER

    def prompts(self, side: str, phase: str, limit: int) -> pd.DataFrame:
        """Requests of a side in a phase, the ones that the workflow would take."""
        name = f"{MEMBER}.s{self.seed}"
        subject = Subject(name, "aligned", self.seed, MEMBER, ("plain",), False, "float32")
        return phase_prompts(Layout(str(self.results)), subject, SETS[side], phase, limit)


def grown_organism(results: Path, seed: int) -> Organism:
    """The organism of a run, after a look at whether it is one: peers remove refusals, which is done to nothing else.

    Raises:
        ModelError: no aligned member was grown there, or the weights are not those that growing left.
    """
    organism = Organism(results, seed)
    needed = [organism.model / "card.json", organism.folder / "truth.json", organism.folder / "world.json"]
    missing = [path for path in needed if not path.is_file()]
    card = {} if missing else read_json(organism.model / "card.json")
    if missing or card.get("member") != MEMBER or card.get("seed") != seed:
        raise ModelError(
            found=f"no {missing[0].name}" if missing else f"a card of {card.get('member')!r}, seed {card.get('seed')!r}",
            expected=f"the organism's aligned member of seed {seed}, with the truth of its world",
            where=str(organism.model),
            remedy="grow it first (tests/speed/peers/README.md); tools that remove refusals are measured on it alone",
        )
    if parameter_digest(load_weights(organism.model)) != card["parameter_sha256"]:
        raise ModelError(
            found="other weights than those that were grown",
            expected="the weights of its card",
            where=str(organism.model),
            remedy="grow the organism again; tools that remove refusals are measured on it alone",
        )
    return organism
