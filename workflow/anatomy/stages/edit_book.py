"""Edits made concrete for one model: keys for the store, adapters for the engine, interventions for hooks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from anatomy.activations.interventions import Intervention
from anatomy.edits.adapter import write_adapter
from anatomy.edits.hook import build_intervention
from anatomy.edits.low_rank import Factors, LowRankEdit
from anatomy.edits.rosi import build_edit, edit_factors
from anatomy.errors import EditError
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.variant import Edit
from anatomy.stages.direction_book import DirectionBook, vector_digest
from anatomy.store.digest import digest, file_digest


class EditBook:
    """Builds edits of one model from their specs.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
    """

    def __init__(self, model: dict[str, Any], extracted: Path) -> None:
        self.model, self.extracted, self.directions = model, Path(extracted), DirectionBook(extracted)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(Path(self.model["folder"]))

    def key(self, edit: Edit) -> dict[str, Any]:
        """What shapes an edit besides the model: its spec, with directions and means by content instead of by name.

        The factors follow from these and from the code, so weights need not be read to know whether a row is there.
        """
        contrast = edit["direction"]["contrast"]
        if edit["method"] == "ablate_own":
            every = self.directions.directions(contrast, edit["direction"]["control"]).vectors
            return {**edit, "direction": vector_digest(every)}
        key = {**edit, "direction": vector_digest(self.directions.unit(edit["direction"]))}
        if edit["method"] == "add":
            key["norm"] = float(self.directions.candidates(contrast).vector(
                edit["direction"]["position"], edit["direction"]["layer"]).double().norm())
        if edit["method"] == "mean_input":
            key["inputs"] = file_digest(self.extracted / contrast / "inputs.safetensors")
        if edit["method"] == "clamp":
            key["means"] = file_digest(self.extracted / contrast / "means.safetensors")
        if edit["method"] in ("add", "clamp"):
            key["cell"] = [edit["direction"]["position"], edit["direction"]["layer"]]
        return key

    def low_rank(self, edit: Edit) -> LowRankEdit:
        """A weight edit with its card."""
        return build_edit(edit, self.checkpoint, self.directions.unit(edit["direction"]), mean_inputs=self._inputs(edit))

    def factors(self, edit: Edit) -> dict[str, Factors]:
        """The factors of a weight edit alone, for screens."""
        return edit_factors(edit, self.checkpoint, self.directions.unit(edit["direction"]), mean_inputs=self._inputs(edit))

    def _inputs(self, edit: Edit) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
        return self.directions.mean_inputs(edit["direction"]["contrast"]) if edit["method"] == "mean_input" else None

    def intervention(self, edit: Edit) -> Intervention:
        """The hooks of an activation edit."""
        contrast = edit["direction"]["contrast"]
        return build_intervention(edit, self.directions.directions(contrast, edit["direction"]["control"]),
                                  self.checkpoint.num_layers, harmless=self.directions.harmless(contrast))

    def adapter(self, edits: list[Edit], folder: Path) -> Path | None:
        """An adapter of a variant in a private folder; None for the unedited model.

        Raises:
            EditError: a stack of several edits, which would need a higher rank than the engine has room for.
        """
        if not edits:
            return None
        if len(edits) > 1:
            raise EditError(found=f"a stack of {len(edits)} edits", expected="one edit", where=str(edits),
                            remedy="serve stacks with a higher max_lora_rank; no recipe here needs them yet")
        target = folder / digest(self.key(edits[0]))
        if not target.exists():
            write_adapter(self.low_rank(edits[0]), target, self.checkpoint)
        return target
