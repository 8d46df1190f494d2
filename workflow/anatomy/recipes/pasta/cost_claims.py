"""What PASTA claims of the cost of an ablation, and what would decide it: quality, diversity, refusals."""

from __future__ import annotations

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import JudgeScores, Refusals
from anatomy.recipes.pasta.setting import Setting, claim, kept
from anatomy.recipes.pasta.texts import PHASE, Texts, between, summaries, summary

DIVERSITIES = {"distinct_2": "summary_above", "self_bleu": "summary_below"}
"""Measures of diversity, ours, and the side on which texts are more diverse."""
QUALITIES = {"coherence": "Ablated texts stay coherent."}
"""Judges of single texts to the sentence of the abstract that each decides."""
COMPARED = {"relevance": "Ablated texts stay relevant to their prompts.", "fluency": "Ablated texts stay fluent."}
"""Rubrics of the pairwise judge to the sentence that each decides."""
ALIKE = 0.5
"""Share of comparisons that an edited text wins where it is as good as the unedited one."""


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
