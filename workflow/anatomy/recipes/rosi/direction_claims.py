"""Claims of the refusal-direction paper (Arditi et al. 2024) on which ROSI rests."""

from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.measures import kept_cells, paired_change, separation
from anatomy.evidence.claims.tables import VariantSelector
from anatomy.recipes.rosi.claims import Setting
from anatomy.recipes.rosi.variants import NEAREST

PAPER = "refusal direction"
ARXIV = "arXiv 2406.11717"
ABLATE, CLAMP, ADD = (VariantSelector("measure", form, form) for form in ("ablate", "clamp", "add"))


def bypasses(subject: str, setting: Setting, form: VariantSelector, verb: str) -> Test:
    """Refusal of harmful requests falls by a large effect, beyond that of controls."""
    return Test(
        "difference_below",
        paired_change(setting.refusals(setting.harmful), subject, form, controls=True),
        {"threshold": -setting.large_effect, **setting.beyond_controls},
        f"paired change of refusal on {setting.harmful} while the direction is {verb}",
    )


def induces(subject: str, setting: Setting, form: VariantSelector) -> Test:
    """Refusal of benign requests rises by a large effect, beyond that of controls."""
    return Test(
        "difference_above",
        paired_change(setting.refusals(setting.benign), subject, form, controls=True),
        {"threshold": setting.large_effect, **setting.beyond_controls},
        f"paired change of refusal on {setting.benign} while the direction is added",
    )


def separates(subject: str, setting: Setting, form: VariantSelector) -> Test:
    """Harmful and harmless requests lie apart along the direction, at its layer."""
    return Test(
        "auroc_above",
        separation(subject, setting.harmful, setting.benign, form, setting.phase),
        {"threshold": setting.separation},
        "AUROC of the projection at the selected layer",
    )


def direction_claims(subject: str, contrast: str, setting: Setting) -> list[Claim]:
    """A direction exists, is needed, is enough, separates harm, and is no random direction."""
    harmful, benign = setting.refusals(setting.harmful), setting.refusals(setting.benign)

    def claim(name: str, paper: str, sentence: str, source: str, *tests: Test) -> Claim:
        return Claim(f"direction.{name}", paper, sentence, source, "refusal direction", subject, tests)

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
            bypasses(subject, setting, ABLATE, "ablated"),
        ),
        claim(
            "needed_clamped",
            "ours",
            "Clamping the direction to its harmless mean bypasses refusal.",
            "our variant of the ablation",
            bypasses(subject, setting, CLAMP, "clamped"),
        ),
        claim(
            "enough",
            PAPER,
            "Adding the direction induces refusal of harmless requests.",
            f"{ARXIV}, section 3.2, Figure 3",
            induces(subject, setting, ADD),
        ),
        claim(
            "separates",
            PAPER,
            "Harmful and harmless requests are linearly separated along the direction.",
            f"{ARXIV}, appendix B, Figure 20",
            separates(subject, setting, ABLATE),
        ),
        claim("not_random", PAPER, "Control directions neither bypass nor induce refusal.", "our addition", *quiet),
    ]


def nearest_claims(subject: str, setting: Setting) -> list[Claim]:
    """What the direction does that comes nearest to the published rule, for a model of which none passes it. Ours."""
    ablate, add = (VariantSelector("measure", f"{NEAREST} {form}", form) for form in ("ablate", "add"))
    which = "The direction nearest to the published rule, which none of this model passes,"

    def claim(name: str, what: str, *tests: Test) -> Claim:
        source = "our addition: the lowest bypass, whatever its induce and KL"
        return Claim(f"direction.nearest.{name}", "ours", f"{which} {what}", source, "nearest direction", subject, tests)

    return [
        claim("needed", "bypasses refusal when it is ablated.", bypasses(subject, setting, ablate, "ablated")),
        claim("enough", "induces refusal of harmless requests when it is added.", induces(subject, setting, add)),
        claim("separates", "separates harmful from harmless requests.", separates(subject, setting, ablate)),
    ]
