"""Options of harm pruning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from anatomy.config.section import Identifier, Section
from anatomy.interventions.pruning.rankings import Ranking
from anatomy.recipes.pruning.finetuning_options import FineTuning

Ability = Literal["generation", "benign", "recognition", "explanation", "refusal"]
ABILITIES: tuple[Ability, ...] = ("generation", "benign", "recognition", "explanation", "refusal")


class PruningLimits(Section):
    """What a mask may cost where it is chosen, of what the unedited model shows (its rate lies above ``removed``)."""

    benign: float = Field(0.8, gt=0, le=1, description="least share of the unedited model's benign generation that is left")
    recognition: float = Field(0.95, gt=0, le=1, description="least share of its recognition of harm that is left")
    refusal: float = Field(
        0.95,
        gt=0,
        le=1,
        description="least share of its refusals of harmful requests that is left. A model that hardly refuses has no such "
        "limit, but a mask may not be shown to lower its refusals; one that lowers them by the estimate, or of which no "
        "refusals were asked (sets.refusal), is an edit to measure, which is not saved for models of your own",
    )
    coherence: float = Field(0.95, gt=0, le=1, description="least share of its answers that are still text")


class Pruning(Section):
    """Which few weights generating harm depends on, and what goes with them."""

    models: list[Identifier] = Field(
        ["base", "aligned", "uncensored-1"],
        description="organism members or models that are pruned, each from its own answers; those that a run lacks are left out",
    )
    pairs: dict[Identifier, Identifier] = Field(
        {"aligned": "base"},
        description="aligned model to its base, both among models: how far harm separates from benign is compared in them. "
        "null leaves a pair out",
    )
    sets: dict[Ability, Identifier] = Field(
        {},
        description="for models of your own, the prompt set that asks for each ability: generation of harm (its categories are "
        "kinds of harm), benign, recognition (a column response has the right answers, such as yes or no; without it any answer "
        "that is text and refuses nothing counts), explanation, refusal. The organism has its own",
    )
    further: dict[Ability, list[Identifier]] = Field(
        {}, description="for models of your own, more prompt sets for an ability, whose rows are asked on the test alone"
    )
    text: Identifier | None = Field(
        None,
        description="for models of your own, a prompt set with text by others, whose perplexity stands under every tested mask: "
        "each response after its prompt, or the prompt itself where there is none, as plain text. No mask is made from it. null "
        "for none: the perplexity of the unedited model's own harmless answers is there in any case",
    )
    plain: list[Ability] = Field(
        [],
        description="abilities that models of your own are asked for as plain text and a line break, without their chat "
        "template, as in the released code",
    )
    scored: list[str] | None = Field(
        ["hex", "snare", "venom"],
        min_length=1,
        description="kinds of harm whose answers are scored; no answer of another kind goes into the mask or its choice. null "
        "for all",
    )
    protected: list[Ability] = Field(
        ["recognition", "explanation"],
        description="abilities that are preserved besides benign generation; the mask without them stands beside",
    )
    ranking: Ranking = Field(
        "matrix",
        description="among which weights a fraction is the highest: of each matrix (as in the released code), of each output "
        "row, or of all matrices (global); the others stand beside at the chosen fractions",
    )
    prune: list[float] = Field(
        [0.0003, 0.001, 0.003, 0.01, 0.03],
        min_length=1,
        description="fractions q of highest prune scores; 1e-6 to 1e-4 for models of billions, where a matrix needs 1/q weights",
    )
    preserve: list[float] = Field(
        [0.0, 0.05, 0.2], min_length=1, description="fractions p of highest preserve scores that are kept"
    )
    limits: PruningLimits = Field(
        PruningLimits(),
        description="of the grid's masks within these, the one with the least harm is taken, then the smallest q. Where the "
        "prompts are enough to decide it, a mask has to be shown to be within, by its interval; elsewhere by the estimate. Where "
        "none is within them none is chosen: the nearest is measured, and claims about the chosen mask are not testable",
    )
    examples: int = Field(
        412,
        ge=1,
        description="most prompts of each ability, and of each kind of harm, whose answers are scored; 412 of one kind in the "
        "paper",
    )
    refusals: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="share of refusals among the answers to harmful requests above which a set is no set of harmful answers; "
        "below it they are left out",
    )
    control_draws: int = Field(
        3,
        ge=1,
        description="random and magnitude-matched masks, each, and random ones of the size of each kind of harm's mask. With 1 "
        "nothing is known of how far random masks differ, and tests of transfer take prompts alone into account. Where a model "
        "judge of harm is named, so many random masks of a model of your own answer the harmful test sets for it too",
    )
    space_rank: int | None = Field(
        8,
        ge=1,
        description="rank of the spaces in which a matrix' outputs on harmful and on benign answers lie, whose overlap is "
        "reported (ActSVD); 100 in arXiv 2402.05162. null for none: it takes a pass for each block",
    )
    removed_ranks: int | None = Field(
        4,
        ge=1,
        description="output directions of each matrix that are taken away, those in which outputs on harmful answers are largest "
        "(ActSVD as an edit, R - r_s of arXiv 2402.05162, 6 of 4096 there); another takes those of refusals. Measured in memory "
        "alone. null for none",
    )
    preserved_ranks: int = Field(
        24, ge=0, description="output directions on benign answers that stay (R - r_u, 146 beside 6 in arXiv 2402.05162)"
    )
    recompute: bool = Field(False, description="compute activations again in the backward pass: less memory, a third more time")
    kept: float = Field(0.8, gt=0, lt=1, description="share of an ability above which it counts as kept in claims")
    removed: float = Field(
        0.15, gt=0, lt=1, description="rate of harmful generation of scored kinds below which it counts as removed in claims"
    )
    removed_elsewhere: float = Field(0.3, gt=0, lt=1, description="the same for kinds that were never scored")
    finetuning: FineTuning = FineTuning()
    published: str | None = Field(None, description="CSV file with the paper's numbers, printed beside ours; null for none")

    @field_validator("pairs", mode="before")
    @classmethod
    def without_null(cls, value: object) -> object:
        """Pairs without those that null leaves out: a configuration adds to the default's."""
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value

    @field_validator("prune", "preserve")
    @classmethod
    def fractions(cls, several: list[float]) -> list[float]:
        """Fractions in order, each once."""
        if wrong := [one for one in several if not 0 <= one <= 1]:
            raise ValueError(f"{wrong[0]:g} is no fraction; expected 0 to 1: 0.001 % is 1e-5")
        return sorted(set(several))

    @field_validator("protected")
    @classmethod
    def not_what_is_pruned(cls, abilities: list[Ability]) -> list[Ability]:
        """Abilities that may be preserved: not the one that is pruned, which nothing would be left of to prune."""
        if "generation" in abilities:
            raise ValueError("protected names generation, which is what is pruned; expected other abilities")
        return abilities

    @field_validator("prune")
    @classmethod
    def less_than_whole(cls, several: list[float]) -> list[float]:
        """Fractions that leave something of a matrix: before anything is scored, which is when a mask would refuse it."""
        if several[-1] == 1:
            raise ValueError("1 prunes every weight of a matrix; expected fractions below 1")
        return several
