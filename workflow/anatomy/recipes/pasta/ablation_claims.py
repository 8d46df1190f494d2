"""What PASTA claims of ablating the signature, and what would decide it: detection falls, and not along other directions."""

from __future__ import annotations

from anatomy.evidence.claims.claim import Claim
from anatomy.recipes.pasta.setting import Setting, below, claim
from anatomy.recipes.pasta.texts import Texts, between

CONTROLS = {
    "orthogonal": "Random directions do not do it (orthogonal to the signature, as in the paper).",
    "equal_variance": "Random directions do not do it, where they remove as much of the activations as the signature.",
    "principal": "The top principal component of the activations does not do it.",
    "halves": "The difference between two halves of the aligned texts does not do it.",
}
"""Families of control directions to the sentence that each decides."""


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
