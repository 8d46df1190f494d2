"""The forms of evidence that rules judge."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import Interval


def no_controls() -> Float[np.ndarray, " control"]:
    """An empty control distribution."""
    return np.empty(0)


@dataclass(frozen=True)
class Contrast:
    """A mean, a paired change, or a difference between two samples.

    Attributes:
        sample: outcomes, or per-item changes.
        against: what is subtracted; None where `sample` stands alone.
        controls: the same statistic for each control variant.
        baseline: the outcomes before a change, where their level matters (ceilings, chance).
    """

    sample: Sample
    against: Sample | None = None
    controls: Float[np.ndarray, " control"] = field(default_factory=no_controls)
    baseline: Sample | None = None

    @property
    def estimate(self) -> float:
        """mean(sample) - mean(against)."""
        return self.sample.mean - (0.0 if self.against is None else self.against.mean)

    def negated(self) -> "Contrast":
        """The same contrast with its sign turned."""
        if self.against is None:
            turned = Sample(-self.sample.values, self.sample.groups, self.sample.signed)
            return Contrast(turned, None, -self.controls, self.baseline)
        return Contrast(self.against, self.sample, -self.controls, self.baseline)


@dataclass(frozen=True)
class Steps:
    """Differences between neighbours of an ordered list; `names` has one entry more than `steps`."""

    names: tuple[str, ...]
    steps: tuple[Contrast, ...]


@dataclass(frozen=True)
class Levels:
    """The same items at each of several ordered levels."""

    names: tuple[str, ...]
    outcomes: Float[np.ndarray, "item level"]
    groups: np.ndarray


@dataclass(frozen=True)
class Scores:
    """One number an item and the class it should tell apart."""

    scores: Float[np.ndarray, " item"]
    positive: Bool[np.ndarray, " item"]
    groups: np.ndarray


@dataclass(frozen=True)
class Count:
    """How many of a number of candidates passed."""

    found: int
    total: int
    note: str


@dataclass(frozen=True)
class Summaries:
    """Two numbers that sets of texts have as a whole, each with its interval: a diversity, a divergence.

    Attributes:
        after, before: `after` minus `before` is judged, as if they were independent; sets that answer the same prompts are
            alike, so that the interval is too wide rather than too narrow.
    """

    after: Interval
    before: Interval


@dataclass(frozen=True)
class Choices:
    """What each of several instruments chooses among the same options.

    Attributes:
        names: instruments.
        options: what is chosen among.
        chosen: place of each one's choice among the options.
        shares: share of bootstrap draws in which each one chooses each option; rows sum to 1.
    """

    names: tuple[str, ...]
    options: tuple[int, ...]
    chosen: tuple[int, ...]
    shares: Float[np.ndarray, "instrument option"]


@dataclass(frozen=True)
class Places:
    """The place that an instrument finds, and the one that it is compared with.

    Attributes:
        chosen, target: both places, counted in the same unit.
        distances: `chosen` minus `target` in each bootstrap draw.
        n, clusters: prompts that were resampled, and their groups.
    """

    chosen: int
    target: int
    distances: Float[np.ndarray, " resample"]
    n: int
    clusters: int
