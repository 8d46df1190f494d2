"""The factors of any PEFT LoRA adapter, so that a module in memory stands where an engine stands with that adapter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_file

from anatomy.errors import EditError
from anatomy.interventions.edits.apply import applied_factors
from anatomy.interventions.edits.card import require_files
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit, low_rank_edit
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel

PREFIX = "base_model.model."
PAIRS = ((".lora_A.weight", ".lora_B.weight"), (".lora_embedding_A", ".lora_embedding_B"))
UNLIKE_LORA = ("use_dora", "modules_to_save", "alpha_pattern", "rank_pattern")
"""Options of an adapter under which its edit is more than ``W + scaling B A``."""


def adapter_factors(folder: Path) -> dict[str, Factors]:
    """Factors by matrix name, the scaling (``lora_alpha / r``, by its root for rank-stabilised adapters) taken into B.

    Raises:
        EditError: files are missing, or the adapter does more than add ``B A`` to matrices.
    """
    config_path, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    require_files(folder, (config_path.name, weights.name), "a PEFT adapter")
    config = json.loads(config_path.read_text(encoding="utf-8"))
    unlike = [name for name in UNLIKE_LORA if config.get(name)]
    if unlike or config.get("bias", "none") != "none":
        raise EditError(
            found=f"an adapter with {', '.join(unlike) or 'biases'}", expected="plain low-rank factors", where=str(folder)
        )
    scaling = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    tensors = load_file(weights)
    factors: dict[str, Factors] = {}
    for end_a, end_b in PAIRS:
        for name in [name for name in tensors if name.endswith(end_a)]:
            matrix = name.removeprefix(PREFIX).removesuffix(end_a)
            factors[matrix] = tensors[name].float(), tensors[f"{PREFIX}{matrix}{end_b}"].float() * scaling
    if 2 * len(factors) != len(tensors):
        raise EditError(
            found=f"{len(tensors)} tensors for {len(factors)} matrices", expected="two factors a matrix", where=str(folder)
        )
    return factors


def read_peft_adapter(spec: MadeBy, intent: Intent, folder: Path, checkpoint: Checkpoint) -> LowRankEdit:
    """An adapter that peft trained (``PeftModel.save_pretrained``) as an edit with its card.

    Args:
        spec: what made it, for the card.
        intent: what it is meant to do.

    Raises:
        EditError: as ``adapter_factors`` and ``low_rank_edit``.
    """
    factors = adapter_factors(folder)
    return low_rank_edit(spec, intent, checkpoint, factors, list(factors))


@contextmanager
def applied_adapter(loaded: LoadedModel, folder: Path | None) -> Iterator[LoadedModel]:
    """Run the ``with`` body on the model under an adapter, or as it is under None (see ``applied_factors``).

    Raises:
        EditError: as ``adapter_factors`` and ``applied_factors``.
    """
    with applied_factors(loaded, {} if folder is None else adapter_factors(folder)):
        yield loaded
