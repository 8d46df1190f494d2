"""Opening a model folder with transformers: safetensors, no remote code, frozen, in a stated dtype and place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anatomy.errors import MALFORMED, ModelError, NumericsError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import attention_implementation
from anatomy.models.four_bits import Rounding, keep_layout, require_rounded, rounding_arguments
from anatomy.models.imports import without_unused
from anatomy.models.machine.devices import gpus_beside
from anatomy.models.memory import estimate_memory, require_memory
from anatomy.models.packed import scales_of
from anatomy.models.size import ModelSize, model_size
from anatomy.models.spreading import spread
from anatomy.models.stream_sum import require_sound_stream
from anatomy.models.tensor_names import QWEN_SEEING
from anatomy.models.tokenizer import load_tokenizer
from anatomy.models.vocabulary import filler

WIDE = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
"""Formats to add up in, where a sum of finite numbers may be infinite in their own."""


NOT_FINITE = "copy or download the weights again; if they are finite in their own format, choose bfloat16 or float32"
"""What to do about weights that are no numbers."""


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model in memory, with its tokenizer and what identifies it.

    Attributes:
        model: the transformers module, in evaluation mode, without gradients.
        tokenizer: its tokenizer.
        folder: where it was read.
        digest: ``Checkpoint.digest`` of the folder.
        num_layers: number of blocks L.
        d_model: width of the residual stream.
    """

    model: Any
    tokenizer: Any
    folder: Path
    digest: str
    num_layers: int
    d_model: int

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def pad_token_id(self) -> int:
        """Id used to fill padding; masked everywhere, so any id of the vocabulary serves (``vocabulary.filler``)."""
        return filler(self.tokenizer, self.model.get_input_embeddings().weight.shape[0])


def load_model(folder: Path, dtype: torch.dtype, device: torch.device | str, *, in_4bit: bool = False) -> LoadedModel:
    """Open a model folder as a decoder whose blocks can be read and edited.

    Args:
        device: as ``anatomy.models.machine.devices.device_name`` says; where this process was granted several GPUs, the first,
            and blocks lie on all of them (``spread``).
        in_4bit: round the matrices of its blocks to four bits as they are read (``four_bits``), for measuring alone; the first
            GPU then holds all of it.

    Raises:
        ModelError: unusable folder (see ``Checkpoint``), more weights than memory (``require_memory``), remote code, weights
            that do not fill the architecture, or blocks that add other things to the stream than attention and MLP give.
        NumericsError: a weight that is NaN or infinite.
    """
    checkpoint, gpus = Checkpoint(Path(folder)), gpus_beside(str(device))
    if in_4bit:
        gpus = gpus[:1]
    rounding = rounding_arguments(checkpoint, dtype, device) if in_4bit else None
    model, tokenizer = open_weights(checkpoint, model_size(checkpoint), dtype, len(gpus), attention_implementation, rounding)
    if in_4bit:
        require_rounded(model, str(folder))
        keep_layout(model)
    elif len(gpus) > 1:
        spread(model, [torch.device(gpu) for gpu in gpus])
    else:
        model.to(device)
    model.eval().requires_grad_(False)
    require_finite(model, str(folder))
    loaded = LoadedModel(model, tokenizer, checkpoint.folder, checkpoint.digest(), checkpoint.num_layers, checkpoint.d_model)
    require_sound_stream(model, loaded.pad_token_id, str(folder))
    return loaded


@torch.no_grad()
def require_finite(model: Any, where: str) -> None:
    """Refuse weights that are no numbers: in the file, or too large for the format that they were cast to.

    Raises:
        NumericsError: the first such tensor, by its name in the module.
    """
    if (broken := not_finite(model)) is not None:
        name, dtype = broken
        raise NumericsError(
            found=f"NaN or infinity in {name}",
            expected="finite weights",
            where=f"{where}, in {str(dtype).removeprefix('torch.')}",
            remedy=NOT_FINITE,
        )


@torch.no_grad()
def not_finite(model: Any) -> tuple[str, torch.dtype] | None:
    """Name and format of the first parameter with a weight that is NaN or infinite; None where all are numbers.

    A sum, in which NaN and infinity remain, is one pass over the weights and no copy of them.
    """
    for name, parameter in model.named_parameters():
        scales = scales_of(parameter)
        weight = parameter if scales is None else scales
        if not weight.is_floating_point() or weight.element_size() == 1 or weight.sum(dtype=WIDE.get(weight.dtype)).isfinite():
            continue
        if not weight.isfinite().all():
            return name, weight.dtype
    return None


def open_weights(
    checkpoint: Checkpoint,
    size: ModelSize,
    dtype: torch.dtype,
    gpus: int,
    attention: Callable[[Any], str | None],
    rounding: Rounding | None = None,
) -> tuple[Any, Any]:
    """Read a model into main memory, for a caller that puts it on the device; every opener of weights goes through here.

    Args:
        size: what is compared with the memory that is free.
        gpus: over how many GPUs it is going to lie; 0 for main memory.
        attention: which of transformers' attentions computes a configuration; None where transformers is to choose.
        rounding: ``rounding_arguments`` of a model that is rounded, and put on its device, as it is read.

    Returns:
        The transformers module and its tokenizer.

    Raises:
        ModelError: as ``load_model``.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    with without_unused():  # here, because it takes seconds that jobs without a model are spared
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    folder = checkpoint.folder
    estimate = estimate_memory(size, "transformers", str(dtype).removeprefix("torch."), in_4bit=bool(rounding))
    require_memory(size, estimate, str(folder), gpus=gpus)
    tokenizer = load_tokenizer(folder)
    told: Mapping[str, Any] = rounding or {}
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        opener = AutoModelForImageTextToText if config.model_type in QWEN_SEEING else AutoModelForCausalLM
        model, report = opener.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention(config),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **told,
        )
    except (*MALFORMED, RuntimeError, ImportError, AssertionError, StrictDataclassError, SafetensorError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="a folder that transformers opens without remote code",
            where=str(folder),
            remedy="check the architecture and that weights, configuration and tokenizer belong together",
        ) from error
    # transformers fills weights that the files lack with random numbers and only warns.
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            found=f"{len(missing)} weights missing, such as {missing[0]}",
            expected="every weight of the architecture",
            where=str(folder),
            remedy="check that config.json belongs to these weights",
        )
    model.get_output_embeddings().register_forward_pre_hook(_gathered)
    return model, tokenizer


def _gathered(head: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """The head's input in one piece, with the strides of one.

    A slice of the last tokens (``logits_to_keep``) is none, and torch then multiplies each row with its own copy of the head.
    With a vocabulary of 152 thousand that is half a second a row, nine tenths of a search.
    """
    # Not contiguous(): a slice of one row counts as contiguous, and keeps the strides that torch looks at.
    return (inputs[0].reshape(-1).view(inputs[0].shape), *inputs[1:])
