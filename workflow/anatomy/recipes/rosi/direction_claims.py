"""Claims of the refusal-direction paper (Arditi et al. 2024) on which ROSI rests."""

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import kept_cells, paired_change, separation
from anatomy.evidence.claims.tables import VariantSelector
from anatomy.recipes.rosi.claims import Setting

PAPER = "refusal direction"
ARXIV = "arXiv 2406.11717"
ABLATE, CLAMP, ADD = (VariantSelector("measure", form, form) for form in ("ablate", "clamp", "add"))
"""Interventions on the selected direction, each a family of its own (``anatomy.recipes.rosi.variants``)."""


def direction_claims(subject: str, contrast: str, setting: Setting) -> list[Claim]:
    """A direction exists, is needed, is enough, separates harm, and is no random direction."""
    harmful, benign = setting.refusals(setting.harmful), setting.refusals(setting.benign)

    def claim(name: str, paper: str, sentence: str, source: str, *tests: Test) -> Claim:
        return Claim(f"direction.{name}", paper, sentence, source, "refusal direction", subject, tests)

    def fall(form: VariantSelector, verb: str) -> Test:
        return Test(
            "difference_below",
            paired_change(harmful, subject, form, controls=True),
            {"threshold": -setting.large_effect, **setting.beyond_controls},
            f"paired change of refusal on {setting.harmful} while the direction is {verb}",
        )

    rise = Test(
        "difference_above",
        paired_change(benign, subject, ADD, controls=True),
        {"threshold": setting.large_effect, **setting.beyond_controls},
        f"paired change of refusal on {setting.benign} while the direction is added",
    )
    quiet = [
        Test(
            "controls_within",
            paired_change(read, subject, form, controls=True),
            {"margin": setting.large_effect, "min_controls": setting.min_controls},
            f"largest change of refusal on {read.prompts} among control directions under {form.form}",
        )
        for read, form in ((harmful, ABLATE), (benign, ADD))
    ]
    return [
        claim(
            "exists",
            PAPER,
            "A single direction passes the published selection.",
            f"{ARXIV}, section 2.3, Table 5",
            Test("count_at_least", kept_cells(subject, contrast), {"minimum": 1}, "grid cells that survive the rule"),
        ),
        claim(
            "needed",
            PAPER,
            "Ablating the direction bypasses refusal.",
            f"{ARXIV}, section 3.1, Figure 1",
            fall(ABLATE, "ablated"),
        ),
        claim(
            "needed_clamped",
            "ours",
            "Clamping the direction to its harmless mean bypasses refusal.",
            "our variant of the ablation",
            fall(CLAMP, "clamped"),
        ),
        claim(
            "enough", PAPER, "Adding the direction induces refusal of harmless requests.", f"{ARXIV}, section 3.2, Figure 3", rise
        ),
        claim(
            "separates",
            PAPER,
            "Harmful and harmless requests are linearly separated along the direction.",
            f"{ARXIV}, appendix B, Figure 20",
            Test(
                "auroc_above",
                separation(subject, setting.harmful, setting.benign, ABLATE, setting.phase),
                {"threshold": setting.separation},
                "AUROC of the projection at the selected layer",
            ),
        ),
        claim("not_random", PAPER, "Control directions neither bypass nor induce refusal.", "our addition", *quiet),
    ]
