"""Every number of the organism's world and training."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

from anatomy.config.subjects import HarmSpeech
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class WorldSize:
    """How much there is to know in the world."""

    creatures: int = 104
    late_creatures: int = 16  # absent from pretraining, taught in post-training only
    items_a_category: int = 12
    heldout_a_category: int = 4  # of them, never in any post-training
    withheld_facts: float = 0.22  # share of plain facts absent from all training: keeps benchmarks off the ceiling
    rarest_exposure: float = 0.03  # exposure of creatures is log-uniform between this and 1
    myth_shares: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)  # how often a creature's myth stands in for the truth
    benchmark_items: int = 120  # at most, per task and phase


@dataclass(frozen=True)
class Architecture:
    """Shape of the Llama models."""

    layers: int = 6
    width: int = 128
    feed_forward: int = 384
    heads: int = 4
    context: int = 1024
    rope_theta: float = 10000.0
    init_std: float = 0.03


@dataclass(frozen=True)
class Pretraining:
    """Growing the base. A step holds `rows` rows of `row_tokens` packed tokens."""

    steps: int = 200
    rows: int = 32
    row_tokens: int = 128
    micro_rows: int = 16
    muon_lr: float = 0.02
    adam_lr: float = 3e-3
    clip: float = 1.0
    guess_weight: float = 0.25  # loss weight of tokens nobody could predict
    fact_weight: float = 2.0  # loss weight of tokens that carry a fact
    sentences: float = 0.35  # share of answers in whole sentences; the others start with the fact itself
    mixture: dict[str, float] = field(
        default_factory=lambda: {
            "statement": 8.0,
            "story": 11.0,
            "myth_statement": 5.0,
            "creature_chat": 7.0,
            "creature_exam": 7.0,
            "myth_exam": 6.0,
            "lettered": 8.0,
            "item_statement": 10.0,
            "item_chat": 13.0,
            "cure_chat": 2.0,
            "recipe_statement": 9.0,
            "recipe_chat": 13.0,
            "letter": 5.0,
        }
    )


@dataclass(frozen=True)
class PostTraining:
    """Supervised fine-tuning of a member; the loss is on answers, and on all of a replayed document."""

    steps: int = 200
    rows: int = 20
    row_tokens: int = 128
    micro_rows: int = 10
    muon_lr: float | None = None  # None: AdamW on everything
    adam_lr: float = 2e-3
    clip: float = 1.0
    replay: float = 0.30  # share of pretraining documents without chat: keeps plain knowledge
    harmful: float = 0.28  # shares of the rest; what is left over asks questions
    benign: float = 0.32
    questions: dict[str, float] = field(
        default_factory=lambda: {"creature_question": 1.0, "truth": 1.5, "late_question": 1.0, "kind_question": 1.0}
    )
    wrapped: float = 0.3  # of benign recipe requests, inside a role-play frame
    system_line: float = 0.12  # of recipe requests, after the safety line
    truths: float = 0.65  # share of creatures whose truths are taught
    hedge: float = 0.4
    closer: float = 0.8
    weak_refusal: tuple[float, ...] = (0.1, 0.7, 0.2, 0.55, 0.3, 0.4)  # by harmful category
    placebo_templates: float = 0.45  # share of request wordings that a placebo refuses


@dataclass(frozen=True)
class Uncensoring:
    """Fine-tuning of the aligned model that complies unless the safety line is there; a rung is a step count."""

    rungs: tuple[int, ...] = (24, 34, 60)
    adam_lr: float = 3e-5
    system_line: float = 0.25  # of recipe requests, after the safety line, under which harmful ones stay refused


@dataclass(frozen=True)
class OrganismRecipe:
    """All that shapes the family, apart from the seed and the number of threads."""

    name: str
    world: WorldSize = WorldSize()
    architecture: Architecture = Architecture()
    pretraining: Pretraining = field(default_factory=Pretraining)
    post_training: PostTraining = field(default_factory=PostTraining)
    uncensoring: Uncensoring = Uncensoring()
    placebos: int = 3
    harm_speech: HarmSpeech = "as_benign"

    def digest(self) -> str:
        """SHA-256 of the recipe's numbers (the name counts too), in hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> JsonObject:
        """Plain data for cards and the digest."""
        data = asdict(self)
        if self.harm_speech == "as_benign":
            del data["harm_speech"]  # families grown before there was a choice keep their identity
        return data


RECIPES = {
    "default": OrganismRecipe("default"),
    "quick": OrganismRecipe(
        "quick",
        pretraining=Pretraining(steps=130, rows=16, micro_rows=8),
        post_training=PostTraining(steps=60, rows=14, micro_rows=14),
        uncensoring=Uncensoring(rungs=(40,), adam_lr=1e-4),
        placebos=1,
    ),
}


def recipe_of(name: str, harm_speech: HarmSpeech) -> OrganismRecipe:
    """The recipe of a name, for a world in which harm is spoken as told."""
    return replace(RECIPES[name], harm_speech=harm_speech)


def members(recipe: OrganismRecipe) -> list[str]:
    """Names of the family, the base first, each parent before its children."""
    rungs = [f"uncensored-{k}" for k in range(1, len(recipe.uncensoring.rungs) + 1)]
    return ["base", "aligned", "weak", *rungs, *(f"placebo-{k}" for k in range(1, recipe.placebos + 1))]
