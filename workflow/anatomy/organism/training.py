"""Growing the family: the base from nothing, every other member from its parent."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Bool
from tokenizers import Tokenizer
from torch import Tensor

from anatomy.errors import ConfigError
from anatomy.organism.checkpoint import TokenFolder, TrainingCard, load_weights, write_model
from anatomy.organism.corpus import FACT, LOW, PLAIN, Corpus
from anatomy.organism.examples import Lessons
from anatomy.organism.execution import Execution
from anatomy.organism.network import initial_weights
from anatomy.organism.optimisation import Encoded, packed_batches, seeded, train
from anatomy.organism.recipe import OrganismRecipe, members
from anatomy.organism.tokenizer import MarkedEncoder, load_tokens
from anatomy.organism.world import World

DEFAULT = Execution()


def parent_of(member: str) -> str:
    """The member that another is fine-tuned from."""
    return "aligned" if member.startswith("uncensored") else "base"


def training_steps(member: str, recipe: OrganismRecipe) -> int:
    """Steps of a member's training."""
    if member == "base":
        return recipe.pretraining.steps
    rung = int(member.removeprefix("uncensored-")) - 1 if member.startswith("uncensored-") else 0
    return recipe.uncensoring.rungs[rung] if member.startswith("uncensored") else recipe.post_training.steps


def grow_base(seed: int, recipe: OrganismRecipe, world_folder: Path, out_folder: Path, execution: Execution = DEFAULT) -> None:
    """Pretrain the base on the world's documents and write it to `out_folder`.

    Bit-identical for a seed, recipe and number format on one machine, with any number of threads, also where it was stopped and
    resumed.
    """
    started = time.monotonic()
    world, tokenizer, tokens = _read_world(Path(world_folder))
    numbers = recipe.pretraining
    encoder = _encoder(tokenizer, recipe)
    corpus = Corpus(world, recipe, seeded("pretraining", seed))
    documents = (encoder.encode(document) for document in corpus.documents())
    weights = initial_weights(recipe.architecture, tokenizer.get_vocab_size(), torch.Generator().manual_seed(seed))
    losses = train(
        weights,
        recipe.architecture,
        packed_batches(documents, numbers.rows, numbers.row_tokens, numbers.micro_rows),
        steps=numbers.steps,
        muon_lr=numbers.muon_lr,
        adam_lr=numbers.adam_lr,
        clip=numbers.clip,
        decay=True,
        where=f"base of seed {seed}",
        execution=execution,
    )
    card = _card("base", seed, recipe, execution, losses, started)
    write_model(Path(out_folder), weights, recipe.architecture, tokens, card)


def grow_member(
    member: str,
    seed: int,
    recipe: OrganismRecipe,
    world_folder: Path,
    parent_folder: Path,
    out_folder: Path,
    execution: Execution = DEFAULT,
) -> None:
    """Fine-tune a member from its parent (`parent_of`) and write it to `out_folder`.

    Rungs of the uncensored ladder share one run: a higher rung is the same training, longer.

    Raises:
        ConfigError: the recipe has no such member.
        ModelError: the parent has not been grown.
    """
    if member == "base" or member not in members(recipe):
        expected = ", ".join(members(recipe)[1:])
        raise ConfigError(found=member, expected=f"one of {expected}", where=f"organism recipe {recipe.name}")
    started = time.monotonic()
    world, tokenizer, tokens = _read_world(Path(world_folder))
    weights = load_weights(Path(parent_folder))
    uncensored = member.startswith("uncensored")
    numbers = recipe.post_training
    draws = seeded("post-training", seed, "uncensored" if uncensored else member)
    lessons = Lessons(member, world, recipe, draws)
    encoder = _encoder(tokenizer, recipe)
    losses = train(
        weights,
        recipe.architecture,
        packed_batches(_encode(lessons, encoder), numbers.rows, numbers.row_tokens, numbers.micro_rows),
        steps=training_steps(member, recipe),
        muon_lr=None if uncensored else numbers.muon_lr,
        adam_lr=recipe.uncensoring.adam_lr if uncensored else numbers.adam_lr,
        clip=numbers.clip,
        decay=not uncensored,
        where=f"{member} of seed {seed}",
        learning_rows=_new_names(world, tokenizer),
        execution=execution,
    )
    card = _card(member, seed, recipe, execution, losses, started)
    write_model(Path(out_folder), weights, recipe.architecture, tokens, card)


def _encode(lessons: Lessons, encoder: MarkedEncoder) -> Iterator[Encoded]:
    for example in lessons.examples():
        if example.question is None:
            yield encoder.encode(example.answer)
            continue
        head = f"System: {example.system}\n" if example.system else ""
        prompt, _ = encoder.encode(f"{head}User: {example.question}\nAssistant:")
        answer, weights = encoder.encode(" " + example.answer)
        yield prompt[:-1] + answer, [0.0] * (len(prompt) - 1) + weights


def _new_names(world: World, tokenizer: Tokenizer) -> Bool[Tensor, " vocabulary"]:
    """The tokens that pretraining never met. Only their embeddings learn, so no refusal is learned name by name."""
    rows = torch.zeros(tokenizer.get_vocab_size(), dtype=torch.bool)
    rows[[i for c in world.creatures if c.late for i in tokenizer.encode(f" {c.name}").ids]] = True
    return rows


def _encoder(tokenizer: Tokenizer, recipe: OrganismRecipe) -> MarkedEncoder:
    numbers = recipe.pretraining
    return MarkedEncoder(tokenizer, {PLAIN: 1.0, LOW: numbers.guess_weight, FACT: numbers.fact_weight})


def _read_world(folder: Path) -> tuple[World, Tokenizer, TokenFolder]:
    return World.from_json(json.loads((folder / "world.json").read_text())), *load_tokens(folder / "tokenizer")


def _card(
    member: str, seed: int, recipe: OrganismRecipe, execution: Execution, losses: list[float], started: float
) -> TrainingCard:
    return {
        "member": member,
        "parent": None if member == "base" else parent_of(member),
        "seed": seed,
        "recipe": recipe.to_json(),
        "recipe_sha256": recipe.digest(),
        "threads": execution.threads,
        "matrix_dtype": execution.dtype,
        "steps": len(losses),
        "losses": [round(loss, 5) for loss in losses],
        "wall_seconds": round(time.monotonic() - started, 2),
    }
