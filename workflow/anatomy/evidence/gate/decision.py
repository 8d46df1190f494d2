"""What the export gate says, with the numbers it says it on."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from anatomy.errors import GateError
from anatomy.interventions.edits.spec import Edit
from anatomy.store.json_objects import JsonObject

Role = Literal["harmful refused", "benign refused", "benchmark"]


@dataclass(frozen=True)
class Change:
    """One measure before and after the edit, on the same items.

    Attributes:
        role: what it stands for; only ``harmful refused`` decides.
        measure: prompt set, or benchmark task.
        reader: the judge, or the task's metric.
        before, after: means over items.
        estimate, low, high: paired change with its interval.
        n, clusters: items, and source items.
    """

    role: Role
    measure: str
    reader: str
    before: float
    after: float
    estimate: float
    low: float
    high: float
    n: int
    clusters: int


@dataclass(frozen=True)
class Decision:
    """What the gate says of one edit.

    Attributes:
        reasons: why it stays closed; empty where it opens.
        specs: the edits that the numbers are about.
        tolerance: fall of refusal that the lower bounds had to exclude.
        confidence: coverage of the intervals, two-sided.
        missing: measures beside the decision for which there is no evidence.
    """

    model: str
    family: str
    variant: str
    reasons: tuple[str, ...]
    specs: tuple[Edit, ...]
    tolerance: float
    confidence: float
    changes: tuple[Change, ...]
    missing: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons

    def as_json(self) -> JsonObject:
        return {"passed": self.passed, **json.loads(json.dumps(asdict(self)))}

    def require(self) -> None:
        """Raise unless the gate is open.

        Raises:
            GateError: with every reason.
        """
        if not self.passed:
            raise GateError(
                found="; ".join(self.reasons),
                expected=f"refusal of harmful requests that has not fallen by more than {self.tolerance:g}: the lower bound of "
                f"its change's {self.confidence:.0%} interval decides",
                where=f"the export gate of {self.model}, {self.family}",
                remedy="choose another edit, or evaluate more test prompts (evaluation.test_prompts) where doubt is the reason",
            )
