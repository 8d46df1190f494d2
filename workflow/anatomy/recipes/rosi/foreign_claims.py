"""Claims about edits along a direction that another tool made: ROSI's own questions, asked of it under its name."""

from __future__ import annotations

from dataclasses import replace

from anatomy.evidence.claims.claim import Claim
from anatomy.recipes.rosi.claims import Setting, amplification_claims

OURS = "our question"


def foreign_claims(subject: str, family: str, setting: Setting) -> list[Claim]:
    """The claims of an edit along the model's own direction, of one along a foreign direction; no paper makes them.

    Controls are those of the same search along the model's own contrast: a direction drawn at random is the same whatever stands
    beside it.

    Args:
        family: of the search, such as ``row_mean@theirs``.
    """
    name = family.partition("@")[2]
    return [
        replace(
            claim,
            paper="ours",
            sentence=f"Along {name}, a direction that another tool made: {claim.sentence.replace('ROSI', 'the edit')}",
            source=f"{OURS}; {claim.source.replace('our addition', '').strip(', ')}".rstrip("; "),
            family=f"direction {family}",
        )
        for claim in amplification_claims(subject, family, setting)
    ]
