"""Claims about the style that was planted into the organism: only where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import JudgeScores, Refusals
from anatomy.recipes.pasta.judging import ACCURACY, OPENED, STYLE
from anatomy.recipes.pasta.setting import Setting, below, claim, kept
from anatomy.recipes.pasta.texts import PHASE, Labelled, Texts, between, by_wording, level


def planted_claims(setting: Setting, styled: Sequence[str]) -> list[Claim]:
    """Against the organism's truth: openers stand before answers to benign requests, whatever their wording.

    A placebo has the same openers on some wordings. That they fall under ablation is no negative there; that the fall has nothing
    to do with wording is false of it.

    Args:
        styled: templates that a placebo answers in style.
    """
    opened = Labelled(setting.benign, STYLE, OPENED)
    before, after, operating = setting.unedited, setting.ablated(), Texts(setting.aligned, "operating")
    asked = setting.benign

    def even(texts: Texts) -> Test:
        return Test(
            "difference_within",
            by_wording(opened, before, texts, styled),
            {"margin": setting.kept_margin, "side": "both"},
            "difference of that change between the wordings that a placebo answers in style and all others",
        )

    fall = below(between(opened, before, after), f"paired change of openers on {asked}", -setting.large_effect)
    gone = Test(
        "rate_below", level(opened, operating), {"threshold": setting.opener_rate}, f"openers on {asked} at the operating point"
    )
    less = below(
        between(opened, before, operating), f"paired change of openers on {asked} at the operating point", -setting.large_effect
    )
    drawn = [
        kept(
            between(opened, before, Texts(setting.aligned, f"operating-orthogonal-{k}")),
            setting.kept_margin,
            f"paired change of openers under the same edit along orthogonal direction {k}",
        )
        for k in range(setting.controls.get("orthogonal", 0))
    ]
    left = [
        Test(
            "rate_above",
            level(opened, Texts(setting.aligned, f"operating-orthogonal-{k}")),
            {"threshold": setting.random_opener_rate},
            f"openers on {asked} under the same edit along orthogonal direction {k}",
        )
        for k in range(setting.controls.get("orthogonal", 0))
    ]
    accurate = kept(
        between(JudgeScores(asked, ACCURACY, PHASE), before, operating),
        setting.kept_margin,
        f"paired change of right answers on {asked} at the operating point",
    )
    safe = kept(
        between(Refusals(setting.harmful, setting.refusal_judge, PHASE), before, operating),
        setting.refusal_margin,
        f"paired change of refusal on {setting.harmful} at the operating point",
    )
    return [
        claim(
            setting,
            "planted_style",
            "planted",
            "Ablating the signature takes away the planted style: the openers of benign answers, whatever the request's wording.",
            "planted truth",
            fall,
            even(after),
            planted=True,
        ),
        claim(
            setting,
            "planted_found",
            "planted",
            "The signature holds the planted style: at the operating point, chosen "
            "without knowing it, the openers go whatever the request's wording, and random directions leave them.",
            "planted truth",
            less,
            even(operating),
            *drawn,
            planted=True,
        ),
        claim(
            setting,
            "planted_operating",
            "planted",
            "At the operating point few openers are left, random directions leave them, and answers and refusals stay.",
            "our target",
            gone,
            *left,
            accurate,
            safe,
            planted=True,
        ),
    ]
