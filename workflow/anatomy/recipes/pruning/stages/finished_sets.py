"""Highest scores of the sets that a scoring is through with, so that one that is killed does not read them again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.interventions.pruning.ranking import TopScores
from anatomy.interventions.pruning.scores import read_top, write_top
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.answering import Answers
from anatomy.store.digest import digest
from anatomy.store.files import read_json, write_json

PINS: tuple[str, ...] = ("torch",)
NOT_PINNED = {
    "transformers": "imported with the names of answers; no model is opened",
    "vllm": "imported with the names of answers; no engine is opened",
}

Predictions = dict[tuple[str, float], float]


@dataclass(frozen=True)
class FinishedSets:
    """One folder.

    Attributes:
        folder: left to the caller to remove.
        key: what decides scores besides answers and options, such as the model's digest.
    """

    folder: Path
    key: str

    def of(self, wanted: Pruning, answers: Answers, name: str) -> tuple[dict[str, TopScores], Predictions] | None:
        """Highest scores of a pass over these very answers, and what they predict; None where it was not finished.

        Args:
            name: of the pass.
        """
        scores, foreseen = self._files(name)
        if not scores.exists() or not foreseen.exists():
            return None
        try:
            tops, said = read_top(scores)
            rows = read_json(foreseen)["predictions"]
        except StoreError:
            return None
        if said["model"] != self._made_of(wanted, answers):
            return None
        return tops, {(kind, q): value for kind, q, value in rows}

    def keep(self, wanted: Pruning, answers: Answers, name: str, tops: dict[str, TopScores], predicted: Predictions) -> None:
        """Write what a pass left."""
        scores, foreseen = self._files(name)
        write_json(foreseen, {"predictions": [[kind, q, value] for (kind, q), value in predicted.items()]})
        write_top(scores, tops, {"model": self._made_of(wanted, answers), "answers": {name: len(answers.texts)}})

    def _files(self, name: str) -> tuple[Path, Path]:
        # A kind of harm is called as its prompts call it, which may be no name for a file.
        called = digest(name)
        return self.folder / f"{called}.finished.safetensors", self.folder / f"{called}.finished.json"

    def _made_of(self, wanted: Pruning, answers: Answers) -> str:
        read = [[one.prompt, one.answer] for one in answers.forced]
        return digest([self.key, wanted.ranking, wanted.prune, wanted.preserve, read])
