"""Names and thresholds of PASTA's claims, and how a claim is put together. Written before a run."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import Gatherer
from anatomy.recipes.pasta.texts import Detected, Texts

PAPER = "PASTA"
ARXIV = "arXiv 2605.30526"


@dataclass(frozen=True)
class Setting:
    """Names and thresholds that PASTA's claims are tested with.

    Attributes:
        aligned, base: ids of the pair.
        prefixes, harmful, benign: names of prompt sets.
        detectors: by the layer that each chose there is a variant; the first decides the controls' layer.
        measured: detectors of the test split: these and closed ones, which select nothing.
        refusal_judge: whose refusals decide.
        controls: family of control directions to how many of it there are.
        kept_margin, refusal_margin: the largest change that still counts as kept.
        opener_rate: openers that may be left where the style counts as gone.
        random_opener_rate: openers that random directions have to leave.
        large_effect: change of a rate that counts as taken away, rather than merely moved.
        certainty: share of bootstrap draws in which a layer must be chosen again.
        min_controls, control_level: for ranks among controls.
    """

    aligned: str
    base: str
    prefixes: str
    harmful: str
    benign: str
    detectors: tuple[str, ...]
    measured: tuple[str, ...]
    refusal_judge: str
    controls: dict[str, int]
    kept_margin: float | int
    refusal_margin: float | int
    opener_rate: float | int
    random_opener_rate: float | int
    large_effect: float | int
    certainty: float | int
    min_controls: int
    control_level: float | int

    def detection(self, detector: str, *, whether: bool = False) -> Detected:
        """A reader of a detector's scores of continuations, or of whether they could be scored."""
        return Detected(self.prefixes, detector, whether)

    @property
    def unedited(self) -> Texts:
        return Texts(self.aligned)

    def ablated(self, detector: str | None = None) -> Texts:
        """Texts under ablation at the layer that a detector chose; the first one's by default."""
        return Texts(self.aligned, f"pasta@{detector or self.detectors[0]}")


def claim(setting: Setting, name: str, group: str, sentence: str, source: str, *tests: Test, planted: bool = False) -> Claim:
    """A claim of this paper about the aligned model of a pair."""
    paper = "planted truth" if planted else PAPER
    where = f"{ARXIV}, {source}" if source == "abstract" else source
    return Claim(f"pasta.{name}", paper, sentence, where, f"{PAPER} {group}", setting.aligned, tests, planted)


def below(evidence: Gatherer, statistic: str, threshold: float | int = 0, **more: float | int) -> Test:
    """A difference that has to fall."""
    return Test("difference_below", evidence, {"threshold": threshold, **more}, statistic)


def kept(evidence: Gatherer, margin: float | int, statistic: str) -> Test:
    """A number that must not fall by more than a margin."""
    return Test("difference_within", evidence, {"margin": margin, "side": "lower"}, statistic)
