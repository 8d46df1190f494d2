"""How large a model is, as far as that can be known while a run is planned."""

from __future__ import annotations

import re
from pathlib import Path

from anatomy.config.judging import ModelJudge
from anatomy.config.schema import Config
from anatomy.config.subjects import Model
from anatomy.errors import AnatomyError
from anatomy.models.size import ModelSize

ASSUMED = 8e9
"""Parameters of a model of which neither files nor name say anything. A run's own models are on disk before its jobs start."""


def planned_size(config: Config, name: str) -> ModelSize:
    """The size of a model or model judge of the configuration.

    Known best from its files (headers of safetensors in its folder, the mirror or the hub's cache), unless
    ``resources.models.<name>.billions`` says otherwise; else from a name such as ``Llama-3.1-8B``; else ``ASSUMED``.
    """
    return known_size(config, name) or typical_size(ASSUMED)


def known_size(config: Config, name: str) -> ModelSize | None:
    """The same, and None for a model of which neither configuration, files nor name say anything."""
    source = config.models.get(name) or config.model_judges[name]
    stated = config.resources.models.get(name)
    if stated is not None and stated.billions is not None:
        return typical_size(stated.billions * 1e9)
    if isinstance(source, Model) and source.tuned:
        return known_size(config, source.tuned.from_)  # training changes no shape
    named = parameters_in_name(_name(source))
    return size_of_files(config, source) or (None if named is None else typical_size(named))


def _name(source: Model | ModelJudge) -> str:
    """Whatever the configuration calls a model's files."""
    file = (source.gguf or "".join(source.packages[:1])) if isinstance(source, Model) else ""
    return source.hub or source.folder or file


def size_of_files(config: Config, source: Model | ModelJudge) -> ModelSize | None:
    """From the headers of a model that is on this disk; None for one that is not, or cannot be read."""
    from anatomy.models.checkpoint import Checkpoint
    from anatomy.models.gguf.header import read_header
    from anatomy.models.gguf.size import gguf_size
    from anatomy.models.size import model_size
    from anatomy.sources.registry.hub_models import HubModel, local_snapshot
    from anatomy.sources.registry.own_models import gguf_path

    try:
        if isinstance(source, Model) and source.is_converted:
            return gguf_size(read_header(gguf_path(config, source)))
        folder = source.folder or local_snapshot(HubModel.of(source), config.data.mirror)
        return model_size(Checkpoint(Path(folder)))
    except (AnatomyError, OSError):  # its card tells what is wrong with it, before any job that asks for memory
        return None


def parameters_in_name(name: str) -> float | None:
    """``org/Qwen2.5-0.5B-Instruct`` has 5e8 parameters; None for names without a count of billions.

    Of a mixture of experts such as ``8x7B`` the product is taken, which errs upwards.
    """
    found = re.search(r"(?<![\d.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])", name, flags=re.IGNORECASE)
    return None if found is None else int(found[1] or 1) * float(found[2]) * 1e9


def typical_size(parameters: float) -> ModelSize:
    """A dense decoder of that many parameters in the shape of Llama 3: ``12 layers d_model^2`` of them, ``d_model = 128 layers``.

    Llama 3.1 itself: 32 layers of width 4096 at 8 billion, 80 of width 8192 at 70 billion; here 34 of 4402 and 71 of 9072.
    """
    d_model = round((parameters * 128 / 12) ** (1 / 3))
    count = round(parameters)
    return ModelSize(
        parameters=count,
        floating=count,
        bytes_by_dtype={"BF16": 2 * count},
        layers=max(1, round(d_model / 128)),
        d_model=d_model,
        intermediate=7 * d_model // 2,
        vocabulary=128_256,
        kv_heads=8,
        head_dim=128,
        in_blocks=max(0, count - 2 * 128_256 * d_model),
    )
