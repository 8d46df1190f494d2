"""A base after training on few examples, as an adapter: what ``make_edit`` calls for the baseline (LIMA, arXiv 2305.11206)."""

from __future__ import annotations

from anatomy.config.tuning import Tuned
from anatomy.interventions.edits.low_rank import LowRankEdit, low_rank_edit
from anatomy.interventions.edits.making import Materials
from anatomy.models.rendering import render
from anatomy.recipes.superficial.pairs import FINE_TUNED
from anatomy.recipes.superficial.stages.examples import examples
from anatomy.stages.rendering import answer_rendering
from anatomy.tuning.adapter import attach, factors_of, matrices
from anatomy.tuning.plain_template import answer_end
from anatomy.tuning.rows import Row, plan_steps
from anatomy.tuning.training import train_adapter
from anatomy.tuning.tuned_model import ends_of

PINS: tuple[str, ...] = ("peft", "torch", "transformers")


def fine_tune(materials: Materials) -> LowRankEdit:
    """Train an adapter on all matrices of the blocks, on a few examples, spoken to as the base is.

    Raises:
        DataError: as ``examples``.
        NumericsError: as ``train_adapter``.
    """
    loaded, wanted = materials.loaded, materials.config.superficial.baselines
    limit = materials.config.extraction.prompts
    shown = examples(materials.config, materials.subject, lambda name: materials.prompts(name, "fit", limit), wanted.examples)
    rendering = answer_rendering(materials.config.evaluation, materials.subject)
    end = answer_end(loaded.tokenizer, rendering, ends_of(loaded))
    # The organism answers behind a space, as its pretraining has it.
    answers = [f" {text}" if materials.subject.is_organism else text for text in shown["response"]]
    rows = [
        Row(name, (*prompt, *answer, end), len(answer) + 1)
        for name, prompt, answer in zip(
            shown["id"],
            render(loaded.tokenizer, list(shown["prompt"]), rendering),
            loaded.tokenizer(answers, add_special_tokens=False)["input_ids"],
            strict=True,
        )
    ]
    tokens = wanted.epochs * sum(len(row.ids) for row in rows)
    options = Tuned.model_validate(
        {
            "from": "base",
            "data": [{"prompts": "examples", "share": 1.0, "responses": "own"}],
            "chat_template": "own",
            "rank": wanted.rank,
            "alpha": 2 * wanted.rank,
            "targets": "all",
            "tokens": tokens,
            "batch_tokens": wanted.batch_tokens,
            "row_tokens": max(8, *(len(row.ids) for row in rows)),
            "learning_rate": wanted.learning_rate,
            "schedule": "linear",
            "warmup": 0.1,
            "seed": wanted.seed,
        }
    )
    names = matrices(loaded, "all")
    steps = plan_steps([rows], [1.0], tokens=tokens, batch_tokens=wanted.batch_tokens, seed=wanted.seed)
    model = attach(loaded, names, rank=wanted.rank, alpha=options.alpha, seed=wanted.seed)
    losses = train_adapter(model, steps, options, pad=loaded.pad_token_id, say=materials.say).losses
    materials.say(
        f"{FINE_TUNED}: {len(rows)} examples, {len(steps)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f} nats a token"
    )
    spec = {"method": "fine-tuned on few examples", **wanted.model_dump(mode="json")}
    return low_rank_edit(spec, "amplify", materials.checkpoint, factors_of(model, names), names)
