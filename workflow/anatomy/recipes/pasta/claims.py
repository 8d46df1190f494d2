"""The claims that PASTA makes, and what would decide them. Written before a run; numbers come from its tables only."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import Gatherer, JudgeScores, Refusals
from anatomy.recipes.pasta.texts import PHASE, Detected, Texts, between, chosen_layers, summaries, summary
from anatomy.texts.authors import HUMAN

PAPER = "PASTA"
ARXIV = "arXiv 2605.30526"
AFFINITIES = ("likelihood_ratio", "ngram_coverage", "nearest_neighbour", "mauve")
"""Definitions of human-corpus affinity, ours: the paper's is not known."""
DIVERSITIES = {"distinct_2": "summary_above", "self_bleu": "summary_below"}
"""Measures of diversity, ours, and the side on which texts are more diverse."""
QUALITIES = {"coherence": "Ablated texts stay coherent."}
"""Judges of single texts to the sentence of the abstract that each decides."""
COMPARED = {"relevance": "Ablated texts stay relevant to their prompts.", "fluency": "Ablated texts stay fluent."}
"""Rubrics of the pairwise judge to the sentence that each decides."""
ALIKE = 0.5
"""Share of comparisons that an edited text wins where it is as good as the unedited one."""


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


def measurement_claims(setting: Setting) -> list[Claim]:
    """What post-training did to the texts: detection up, affinity to human texts down."""
    base, aligned = Texts(setting.base), setting.unedited
    found = []
    for name in setting.measured:
        rise = Test(
            "difference_above",
            between(setting.detection(name), base, aligned),
            {"threshold": 0},
            f"change of {name} from base to aligned, paired by prefix",
        )
        found.append(
            claim(
                setting,
                f"detection_higher.{name}",
                "measure",
                "Aligned texts are detected as machine-written more than base texts.",
                "abstract",
                rise,
            )
        )
    for name in AFFINITIES:
        fall = Test(
            "summary_below",
            summaries(name, base, aligned),
            {"threshold": 0},
            f"difference of {name} (our definition) between aligned and base texts",
        )
        found.append(
            claim(
                setting,
                f"affinity_lower.{name}",
                "measure",
                "Aligned texts are further from human texts than base texts are.",
                "abstract",
                fall,
            )
        )
    return found


def ablation_claims(setting: Setting) -> list[Claim]:
    """What ablating the signature does to detection, whoever chose the layer, and that random directions do not."""
    found, first = [], setting.detectors[0]
    for name in setting.detectors:
        fall = below(
            between(setting.detection(name), setting.unedited, setting.ablated(name)),
            f"paired change of {name} under ablation at the layer that it chose on other prefixes",
        )
        found.append(
            claim(setting, f"ablation_lowers.{name}", "ablation", "Ablating the signature lowers detection.", "abstract", fall)
        )
        others = [other for other in setting.measured if other != name]
        if others:
            tests = [
                below(
                    between(setting.detection(other), setting.unedited, setting.ablated(name)),
                    f"paired change of {other} under ablation at the layer that {name} chose",
                )
                for other in others
            ]
            found.append(
                claim(
                    setting,
                    f"transfers.{name}",
                    "ablation",
                    "The effect transfers to detectors that had no part in choosing the layer.",
                    "abstract",
                    *tests,
                )
            )
    for family, number in setting.controls.items():
        tests = [
            below(
                between(setting.detection(first), Texts(setting.aligned, f"{family}-{k}"), setting.ablated()),
                f"paired difference of {first} between ablating the signature and {family} direction {k}",
            )
            for k in range(number)
        ]
        if tests:
            found.append(
                claim(
                    setting,
                    f"beyond_{family}",
                    "ablation",
                    CONTROLS[family],
                    "abstract" if family == "orthogonal" else "our addition",
                    *tests,
                )
            )
    slugs = [f"{family}-{k}" for family in ("orthogonal", "equal_variance") for k in range(setting.controls.get(family, 0))]
    ranked = below(
        between(setting.detection(first), setting.unedited, setting.ablated(), slugs),
        f"paired change of {first}, ranked among random directions",
        min_controls=setting.min_controls,
        control_level=setting.control_level,
    )
    return [
        *found,
        claim(setting, "beyond_controls", "ablation", "No random direction lowers detection as much.", "our addition", ranked),
    ]


CONTROLS = {
    "orthogonal": "Random directions do not do it (orthogonal to the signature, as in the paper).",
    "equal_variance": "Random directions do not do it, where they remove as much of the activations as the signature.",
    "principal": "The top principal component of the activations does not do it.",
    "halves": "The difference between two halves of the aligned texts does not do it.",
}


def cost_claims(setting: Setting) -> list[Claim]:
    """What must stay: relevance, coherence, refusal of harmful requests. And diversity, which the paper sees rise."""
    before, after = setting.unedited, setting.ablated()
    found = [
        claim(
            setting,
            f"{judge}_kept",
            "cost",
            sentence,
            "abstract",
            kept(
                between(JudgeScores(setting.prefixes, judge, PHASE), before, after),
                setting.kept_margin,
                f"paired change of {judge} on {setting.prefixes}",
            ),
        )
        for judge, sentence in QUALITIES.items()
    ]
    for rubric, sentence in COMPARED.items():
        test = Test(
            "level_within",
            summary(f"{rubric}_win", after),
            {"margin": setting.kept_margin, "around": ALIKE},
            f"share of prefixes on which the ablated text wins {rubric} against the unedited one (pairwise judge)",
        )
        found.append(claim(setting, f"{rubric}_kept", "cost", sentence, "abstract", test))
    found.append(
        claim(
            setting,
            "scorable_kept",
            "cost",
            "Ablated texts are no more often degenerate.",
            "our addition",
            kept(
                between(setting.detection(setting.detectors[0], whether=True), before, after),
                setting.kept_margin,
                f"paired change of the share of texts that {setting.detectors[0]} can score",
            ),
        )
    )
    for name, rule in DIVERSITIES.items():
        test = Test(
            rule,
            summaries(name, before, after),
            {"threshold": 0},
            f"difference of {name} (our definition) between ablated and aligned texts",
        )
        found.append(
            claim(setting, f"diversity_rises.{name}", "cost", "Ablated texts are stylistically more diverse.", "abstract", test)
        )
    refusals = Refusals(setting.harmful, setting.refusal_judge, PHASE)
    for name, texts in (("", after), (".operating", Texts(setting.aligned, "operating"))):
        found.append(
            claim(
                setting,
                f"refusal_kept{name}",
                "cost",
                "Style may go, safety may not: harmful requests are still refused under ablation.",
                "our addition",
                kept(
                    between(refusals, before, texts),
                    setting.refusal_margin,
                    f"paired change of refusal on {setting.harmful}, judged by {setting.refusal_judge}",
                ),
            )
        )
    return found


def localisation_claims(setting: Setting) -> list[Claim]:
    """Whether the layer is a fact about the model or about the detector that chose it."""
    test = Test(
        "same_choice",
        chosen_layers(setting.aligned, setting.detectors),
        {"share": setting.certainty},
        "least share of bootstrap draws over prefixes in which a detector chooses the layer that most choose",
    )
    return [
        claim(
            setting,
            "localised",
            "localisation",
            "The signature is localised: whichever detector chooses, it is the same layer.",
            "abstract",
            test,
        )
    ]


def human_claims(setting: Setting) -> list[Claim]:
    """Whether ablation brings texts to where humans' are, by the first detector. Ours: the paper claims a shift only."""
    first = setting.detectors[0]
    test = Test(
        "difference_above",
        between(setting.detection(first), Texts(setting.base, HUMAN), Texts(setting.base)),
        {"threshold": 0},
        f"difference of {first} between base texts and the humans' continuations, paired by prefix",
    )
    return [
        claim(setting, "base_unlike_human", "measure", "Even base texts are detected more than human ones.", "our addition", test)
    ]
