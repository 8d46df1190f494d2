"""The work of one stage with one model, as counts that time, disk and a reader's eye follow from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from anatomy.costs.job_kind import Backend


@dataclass(frozen=True)
class StageWork:
    """What a stage asks of a model, at most: searches that end early leave variants out.

    Attributes:
        work: what it does, in words and numbers.
        read: prompt tokens that pass through all blocks; where only some blocks run, or a beginning that prompts share runs once,
            the tokens are fewer in proportion.
        written: tokens generated at most.
        answers: completions.
        items: lm-eval items, each for every variant that takes them.
        predictions: rows of logits that are read beside those of generation.
        backend: what passes the tokens.
        batches: in how many batches the answers are generated one after the other.
        passes: forward passes so short that the interpreter's part of them counts.
    """

    stage: str
    work: str
    read: int
    written: int
    answers: int = 0
    items: int = 0
    predictions: int = 0
    backend: Backend = "transformers"
    batches: int = 0
    passes: int = 0

    def plus(self, other: StageWork) -> StageWork:
        """Both, where two papers ask for work of the same stage."""
        counts = ("read", "written", "answers", "items", "predictions", "batches", "passes")
        return replace(
            self,
            work=f"{self.work}; {other.work}",
            **{name: getattr(self, name) + getattr(other, name) for name in counts},
        )

    def part(self, buckets: int) -> StageWork:
        """An even share of a stage whose variants are spread over jobs."""
        counts = ("read", "written", "answers", "items", "predictions", "batches", "passes")
        return replace(self, **{name: -(-getattr(self, name) // buckets) for name in counts})


@dataclass(frozen=True)
class Outcome:
    """What a model's searches find.

    Attributes:
        direction: a refusal direction, whose interventions are measured and whose controls search.
        edits: edits that are worth generating with; none without refusal tokens.
    """

    direction: bool = True
    edits: bool = True


FOUND, NOTHING = Outcome(), Outcome(False, False)
"""As in models that refuse, and as in one that never does."""
