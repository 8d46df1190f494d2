"""Each architecture's edit exported, reopened and compared with the edit in memory: one cell of the table of support."""

import tempfile
from pathlib import Path

from architecture_models import checkpoint_of, edit_of
from tiny_architectures import Architecture

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.models.checkpoint import Checkpoint


def export_status(architecture: Architecture) -> str:
    """``yes`` where the exported checkpoint is the edit in memory and everything else came over byte for byte.

    Raises:
        ExportError: it is not.
    """
    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "projection")
    with tempfile.TemporaryDirectory() as folder:
        stream_checkpoint(checkpoint, low_rank_rewrites(edit.factors), Path(folder))
        compare_untouched(checkpoint, Checkpoint(Path(folder)), {f"{matrix}.weight" for matrix in edit.factors})
        found = compare_logits(checkpoint.folder, Path(folder), lambda loaded: applied(loaded, edit))
    return "yes" if found.effect > 2 * found.tolerance * found.largest else "no effect"
