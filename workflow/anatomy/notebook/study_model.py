"""A model of a study, asked from a notebook by the functions that its run used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from anatomy.config.study import Layout, Subject, organism_subject, subjects
from anatomy.errors import DataError, ModelError
from anatomy.interventions.directions.forced_predictions import prediction_divergences
from anatomy.interventions.edits.spec import Edit, stack_intent
from anatomy.interventions.edits.stack import Part, under_stack
from anatomy.models.activations.projections import project
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.notebook.asked_edits import not_allowed, spelled_out
from anatomy.notebook.asked_prompts import listed
from anatomy.notebook.kept_configuration import kept_configuration
from anatomy.notebook.run_edits import but_controls, edit_named, run_edits
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.answers import decoding_of
from anatomy.stages.card import read_card
from anatomy.stages.diverged import Forcing, divergence_rows
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.selected_direction import place_of, read_selected
from anatomy.store.json_objects import JsonObject
from anatomy.texts.judges.refusal_rules import judge_refusal

BATCH = 16
"""Prompts answered at once."""

Edits = str | Edit | Sequence[Edit] | None
"""An edit by the name of its family, as the run picked it; one that is spelled out; a stack; or none."""


class StudyModel:
    """One model of a study. It is opened when it is first asked, and edits are applied in memory and taken back.

    Args:
        results: folder of the results.
        run: folder that the run worked in, from which its paths are read.
        name: of the model.
        configuration: of the run.
    """

    def __init__(self, results: Path, run: Path, name: str, configuration: JsonObject) -> None:
        self.name, self._run, self._results = name, run.resolve(), results.resolve()
        self._config = kept_configuration(configuration, results)
        self._at = Layout(str(self._results))

    def __repr__(self) -> str:
        edits = self.edits
        own = but_controls(edits)
        more = f", and {len(edits) - len(own)} of controls" if len(own) < len(edits) else ""
        return f"StudyModel({self.name!r}, edits: {', '.join(own) or 'none'}{more})"

    @cached_property
    def card(self) -> ModelCard:
        """What the run knows of the model, after its files were compared with that.

        Raises:
            ModelError: they are others; the next call of the workflow mends that.
        """
        path = self._at.model(self.name)
        card = read_card(path)
        folder = self._run / card["folder"]
        if (found := Checkpoint(folder).digest()) != card["digest"]:
            raise ModelError(
                found=f"files of digest {found[:16]}",
                expected=f"{card['digest'][:16]}, of which {path} speaks",
                where=str(folder),
                remedy="give the run's own command again, or copy the model again",
            )
        return {**card, "folder": str(folder)}

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model in memory, in the number format of the run."""
        return opened(self.card)

    @property
    def edits(self) -> dict[str, Edit]:
        """What the run's searches picked, by family, and what its papers made (masks, heads, adapters), by name; empty where no
        search ended with an edit and nothing was made."""
        return run_edits(self._selected)

    def direction(self, contrast: str | None = None) -> Float[Tensor, " d_model"]:
        """The refusal direction that the selection ended with, at unit norm, fp32.

        Args:
            contrast: what it was extracted under; the model's main one where not given.

        Raises:
            DataError: the selection ended without a direction.
        """
        position, layer = self.place(contrast)
        found = self._model_edits.directions.unit(
            {"contrast": self._contrast(contrast), "position": position, "layer": layer, "control": None}
        )
        return found

    def place(self, contrast: str | None = None) -> tuple[int, int]:
        """Position and layer of ``direction``; the position counts from the end of the prompt. Raises as there."""
        path = Path(self._at.stage("localize", self.name, "selected.json"))
        chosen = read_selected(path).get(self._contrast(contrast)) if path.is_file() else None
        place = None if chosen is None else place_of(chosen)
        if place is None:
            known = f"its contrasts are {', '.join(self._subject.contrasts)}; the report gives reasons"
            raise DataError(
                found="no search for a direction" if chosen is None else f"outcome {chosen['outcome']!r}",
                expected="a direction that was picked, or the nearest one",
                where=str(path),
                remedy=known if path.is_file() else "the run has not got that far",
            )
        return place

    def answers(self, prompts: str | Sequence[str], edit: Edits = None, tokens: int | None = None) -> pd.DataFrame:
        """What the model answers, spoken to and decoded as in the run, by transformers.

        Args:
            edit: the unedited model where not given.
            tokens: longest answer; the run's where not given.

        Returns:
            Columns ``prompt, response, n_tokens, finish_reason, refusal`` (full, partial, none, by rules);
            ``attrs["provenance"]`` says what was asked.

        Raises:
            EditError: no such edit, or one that lowers safety, on a model that is not the organism's.
        """
        prompts, stack, run = listed(prompts), self.stack(edit), decoding_of(self._config.evaluation)
        decoding = run if tokens is None else Decoding(tokens, run.temperature, run.top_p, run.stop)
        rendering = answer_rendering(self._config.evaluation, self._subject)
        with self._under(stack) as loaded:
            found = generate_with_transformers(
                loaded,
                render(loaded.tokenizer, prompts, rendering),
                decoding,
                batch_size=BATCH,
                seeds=[self._config.evaluation.seed] * len(prompts),
            )
        table = pd.DataFrame(
            {
                "prompt": prompts,
                "response": [one.text for one in found],
                "n_tokens": [len(one.token_ids) for one in found],
                "finish_reason": [one.finish_reason for one in found],
                "refusal": [judge_refusal(one.text).label for one in found],
            }
        )
        table.attrs["provenance"] = {**self._asked(stack), "decoding": decoding.key(), "judge": "rules"}
        return table

    def projections(self, prompts: str | Sequence[str], edit: Edits = None, contrast: str | None = None) -> pd.DataFrame:
        """Projection of each prompt onto ``direction`` at every block's input, at the direction's own position.

        Args:
            edit: the unedited model where not given.
            contrast: of the direction.

        Returns:
            Columns ``prompt, layer, projection``, in the stream's own unit; ``attrs["provenance"]`` as of ``answers``.

        Raises:
            EditError: as ``answers``.
            DataError: as ``direction``.
        """
        prompts, stack, (position, layer) = listed(prompts), self.stack(edit), self.place(contrast)
        rendering = answer_rendering(self._config.evaluation, self._subject)
        with self._under(stack) as loaded:
            rows = project(
                loaded,
                [str(number) for number in range(len(prompts))],
                render(loaded.tokenizer, prompts, rendering),
                self.direction(contrast),
                position=position,
                layers=range(loaded.num_layers),
                token_budget=self._config.extraction.token_budget,
            )
        table = rows.assign(prompt=[prompts[int(name)] for name in rows["id"]])[["prompt", "layer", "projection"]]
        place = {"contrast": self._contrast(contrast), "position": position, "layer": layer}
        table.attrs["provenance"] = {**self._asked(stack), "direction": place}
        return table

    def divergence(self, prompts: str | Sequence[str], edit: Edits, tokens: int | None = None) -> pd.DataFrame:
        """How far an edit moves predictions along the unedited model's own greedy answers, as in the run: KL in nats.

        Args:
            tokens: of an answer, at most; the run's ``divergence.tokens`` where not given.

        Returns:
            Columns ``prompt, first_token_kl, kl, n_tokens`` (``kl``: the mean over the tokens of an answer);
            ``attrs["provenance"]`` as of ``answers``.

        Raises:
            EditError: as ``answers``.
            ConfigError: fewer than one token.
        """
        prompts, stack, prefix = listed(prompts), self.stack(edit), self._common_prefix
        length = self._config.divergence.tokens if tokens is None else Decoding(tokens, 0.0).max_new_tokens
        forcing = Forcing(self.rendering, prefix, length, self._config.extraction.token_budget)
        runs, counts = forcing.runs(self.loaded, prompts)
        before = forcing.predictions(self.loaded, runs, counts)
        with self._under(stack) as loaded:
            after = forcing.predictions(loaded, runs, counts)
        table = divergence_rows(prediction_divergences(before, after))
        table.insert(0, "prompt", prompts)
        table.attrs["provenance"] = {**self._asked(stack), "tokens": forcing.tokens, "prefix": list(prefix)}
        return table

    @property
    def _common_prefix(self) -> tuple[int, ...]:
        """Tokens that all answers of the model begin with; none where the run has not asked for its own answers."""
        path = Path(self._at.stage("answers", self.name, "refusal_tokens.json"))
        return tuple(read_refusal_tokens(path)["common_prefix"]) if path.is_file() else ()

    @property
    def rendering(self) -> Rendering:
        """What surrounds prompts that are answered, as in the run."""
        return answer_rendering(self._config.evaluation, self._subject)

    @property
    def decoding(self) -> Decoding:
        """How answers are decoded, as in the run."""
        return decoding_of(self._config.evaluation)

    @property
    def seed(self) -> int:
        """Of sampled answers, as in the run."""
        return self._config.evaluation.seed

    def means(self, position: int, layer: int, contrast: str | None = None) -> tuple[Tensor, Tensor]:
        """Mean states of harmless and of harmful prompts at a place [d_model]."""
        directions, contrast = self._model_edits.directions, self._contrast(contrast)
        means = directions.harmless(contrast)
        harmless = means.mean[means.positions.index(position), means.layers.index(layer)]
        return harmless, harmless + directions.candidates(contrast).vector(position, layer)

    def parts(self, stack: Sequence[Edit]) -> list[Part]:
        """The edits of a stack, built for this model. Raises ``EditError`` where one does not fit."""
        return self._model_edits.parts(stack) if stack else []

    @property
    def _selected(self) -> Path:
        return Path(self._at.stage("edit", self.name, "selected.json"))

    @cached_property
    def _subject(self) -> Subject:
        known = {one.id: one for one in subjects(self._config)}
        member, dot, seed = self.name.rpartition(".s")
        if self.name not in known and dot and seed.isdigit():  # a member that a paper needs beside those under study
            return organism_subject(self._config, member, int(seed))
        return known[self.name]

    @cached_property
    def _model_edits(self) -> ModelEdits:
        return ModelEdits(self.card, Path(self._at.stage("extract", self.name, "card.json")).parent)

    def _contrast(self, contrast: str | None) -> str:
        return self._subject.contrasts[0] if contrast is None else contrast

    def stack(self, edit: Edits) -> list[Edit]:
        """The edits that are meant, as the run made them concrete.

        Raises:
            EditError: no such edit, a spec that none can have, or one that lowers safety, of a model that is not the organism's.
        """
        if edit is None:
            return []
        if isinstance(edit, str):
            edit = edit_named(self.edits, edit, self._selected)
        stack = spelled_out(edit)
        if stack_intent(stack) == "measure" and self.card["source"] is not None:
            raise not_allowed(self.name, stack)
        return stack

    @contextmanager
    def _under(self, stack: Sequence[Edit]) -> Iterator[LoadedModel]:
        with under_stack(self.loaded, self.parts(stack)) as loaded:
            yield loaded

    def _asked(self, stack: Sequence[Edit]) -> JsonObject:
        rendering = answer_rendering(self._config.evaluation, self._subject)
        return {
            "model": self.name,
            "digest": self.card["digest"],
            "edits": [dict(one) for one in stack],
            "rendering": rendering.key(),
            "backend": "transformers",
            "dtype": self.card["dtype"],
        }
