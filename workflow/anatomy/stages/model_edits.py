"""Edits made concrete for one model: keys for the store, edits of weights for the engine, interventions for hooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from anatomy.interventions.edits.hook import build_intervention
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit
from anatomy.interventions.edits.rank_one import build_edit, edit_factors
from anatomy.interventions.edits.saved import saved_edit
from anatomy.interventions.edits.spec import SAVED, Edit, LowRankSpec, acts_on_activations, check_spec, hook_spec, low_rank_spec
from anatomy.interventions.edits.stack import Part
from anatomy.interventions.edits.weight_edit import WeightEdit
from anatomy.models.activations.interventions import Intervention
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.model_directions import ModelDirections, vector_digest
from anatomy.store.digest import file_digest
from anatomy.store.json_objects import JsonObject


class ModelEdits:
    """Builds edits of one model from their specs.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
    """

    def __init__(self, model: ModelCard, extracted: Path) -> None:
        self.model, self.extracted, self.directions = model, Path(extracted), ModelDirections(extracted)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(Path(self.model["folder"]))

    def keys(self, edits: Sequence[Edit]) -> list[JsonObject]:
        """What shapes a stack besides the model: the key of each edit, first edit first."""
        return [self.key(edit) for edit in edits]

    def key(self, edit: Edit) -> JsonObject:
        """What shapes an edit besides the model: its spec, with directions and means by content instead of by name.

        The factors follow from these and from the code, so weights need not be read to know whether a row is there.
        """
        if edit["method"] == SAVED:
            check_spec(edit)
            return {name: value for name, value in edit.items() if name != "folder"}
        contrast = edit["direction"]["contrast"]
        if edit["method"] == "ablate_own":
            every = self.directions.directions(contrast, edit["direction"]["control"]).vectors
            return {**edit, "direction": vector_digest(every)}
        key: JsonObject = {**edit, "direction": vector_digest(self.directions.unit(edit["direction"]))}
        if edit["method"] == "add":
            key["norm"] = float(
                self.directions.candidates(contrast)
                .vector(edit["direction"]["position"], edit["direction"]["layer"])
                .double()
                .norm()
            )
        if edit["method"] == "mean_input":
            key["inputs"] = file_digest(self.extracted / contrast / "inputs.safetensors")
        if edit["method"] == "clamp":
            key["means"] = file_digest(self.extracted / contrast / "means.safetensors")
        if edit["method"] in ("add", "clamp"):
            key["cell"] = [edit["direction"]["position"], edit["direction"]["layer"]]
        return key

    def low_rank(self, edit: Edit) -> LowRankEdit:
        """A weight edit with its card; an ``EditError`` where the edit is of another kind."""
        edit = low_rank_spec(edit)
        return build_edit(edit, self.checkpoint, self.directions.unit(edit["direction"]), mean_inputs=self._inputs(edit))

    def factors(self, edit: Edit) -> dict[str, Factors]:
        """The factors of a weight edit alone, for screens; errors as ``low_rank``."""
        edit = low_rank_spec(edit)
        return edit_factors(edit, self.checkpoint, self.directions.unit(edit["direction"]), mean_inputs=self._inputs(edit))

    def _inputs(self, edit: LowRankSpec) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
        return self.directions.mean_inputs(edit["direction"]["contrast"]) if edit["method"] == "mean_input" else None

    def intervention(self, edit: Edit) -> Intervention:
        """The hooks of an activation edit; an ``EditError`` where the edit is of another kind."""
        edit = hook_spec(edit)
        contrast = edit["direction"]["contrast"]
        return build_intervention(
            edit,
            self.directions.directions(contrast, edit["direction"]["control"]),
            self.checkpoint.num_layers,
            harmless=self.directions.harmless(contrast),
        )

    def parts(self, edits: Sequence[Edit]) -> list[Part]:
        """Every edit of a stack built, in order: edits of weights and interventions on activations; none for the unedited model.

        Raises:
            EditError: a saved edit is not what its spec says, or an edit does not fit the model.
        """
        return [self.intervention(edit) if acts_on_activations(edit) else self.weight_edit(edit) for edit in edits]

    def weight_edits(self, edits: Sequence[Edit]) -> list[WeightEdit]:
        """The edits of a stack that has no others than edits of weights, in order; none for the unedited model.

        Raises:
            EditError: one acts on activations, or a saved one is not what its spec says.
        """
        return [self.weight_edit(edit) for edit in edits]

    def weight_edit(self, edit: Edit) -> WeightEdit:
        """An edit of weights, read where an earlier stage saved it or else made from its direction."""
        return saved_edit(edit, self.checkpoint) if edit["method"] == SAVED else self.low_rank(edit)
