"""What PASTA claims of texts before and after post-training, and of the layer of the signature; what would decide it."""

from __future__ import annotations

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.recipes.pasta.setting import Setting, claim
from anatomy.recipes.pasta.texts import Texts, between, chosen_layers, summaries
from anatomy.texts.authors import HUMAN

AFFINITIES = ("likelihood_ratio", "ngram_coverage", "nearest_neighbour", "mauve")
"""Definitions of human-corpus affinity, ours: the paper's is not known."""


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
