"""An original and an edited model that are asked the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import cast

from anatomy.chat.decoding import Place, pieces
from anatomy.chat.screen import Answer
from anatomy.chat.second import edited_beside
from anatomy.chat.settings import Settings
from anatomy.errors import DataError
from anatomy.interventions.edits.spec import Edit
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.notebook.study_model import StudyModel
from anatomy.serving.decoding import Decoding

ORIGINAL, EDITED = "original", "edited"


class Session:
    """Both models, open at once.

    Args:
        model: of a finished run.
        edit: family of the edit.

    Raises:
        EditError: no such edit, or one that lowers safety, of a model that is not the organism's.
    """

    def __init__(self, model: StudyModel, edit: str) -> None:
        self.model, self.name = model, edit
        self._stack = model.stack(edit)
        self._open = ExitStack()
        self._edited: tuple[float | None, LoadedModel] | None = None
        self.place = self._place()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    @property
    def settings(self) -> Settings:
        """Those of the run."""
        decoding, strengths = self.model.decoding, [edit["strength"] for edit in self._stack if "strength" in edit]
        return Settings(
            self.model.rendering.system,
            strengths[0] if len(strengths) == 1 else None,
            self.model.seed,
            decoding.temperature,
            decoding.max_new_tokens,
        )

    def edits(self, settings: Settings) -> list[Edit]:
        """The stack at the strength of the settings."""
        if settings.strength is None:
            return self._stack
        moved = {"strength": settings.strength}
        return [cast("Edit", {**edit, **moved}) if "strength" in edit else edit for edit in self._stack]

    def ask(self, prompt: str, settings: Settings) -> Iterator[dict[str, Answer]]:
        """Both answers after each token; the last value holds them whole.

        Raises:
            DataError: prompt and answer are longer than the model's context.
            ModelError: the model's template takes no system prompt.
        """
        rendering = replace(self.model.rendering, system=settings.system)
        (ids,) = render(self.model.loaded.tokenizer, [prompt], rendering)
        decoding = Decoding(settings.tokens, settings.temperature, self.model.decoding.top_p, self.model.decoding.stop)
        models = {ORIGINAL: self.model.loaded, EDITED: self._under(settings)}
        strength = "" if settings.strength is None else f", strength {settings.strength:g}"
        answers = {ORIGINAL: Answer(self.model.name), EDITED: Answer(f"{self.model.name} with {self.name}{strength}")}
        coming = {side: pieces(models[side], ids, decoding, settings.seed, self.place) for side in models}
        while coming:
            for side, stream in list(coming.items()):
                if (piece := next(stream, None)) is None:
                    del coming[side]
                else:
                    answers[side].pieces.append(piece)
            yield answers

    def open(self, settings: Settings) -> None:
        """Bring both models into memory, which the first message would do otherwise."""
        self._under(settings)

    def _under(self, settings: Settings) -> LoadedModel:
        """The edited model at a strength; another strength takes its place."""
        if self._edited is None or self._edited[0] != settings.strength:
            self._open.close()
            self._edited = None
            parts = self.model.parts(self.edits(settings))
            self._edited = settings.strength, self._open.enter_context(edited_beside(self.model.loaded, parts))
        return self._edited[1]

    def _place(self) -> Place | None:
        """Where the run's refusal direction is read; None where it has none."""
        try:
            direction, (position, layer) = self.model.direction(), self.model.place()
        except DataError:
            return None
        harmless, harmful = (float(mean.float() @ direction) for mean in self.model.means(position, layer))
        return Place(direction, layer, harmless, harmful)
