"""Every tiny architecture served by vLLM beside transformers, in a process of its own: ``python served_architectures.py OUT``.

In a process of its own because an engine that closes takes vLLM's process groups with it, and another test may hold one
open.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from architecture_models import checkpoint_of, edit_of, random_prompts
from edit_kinds import head
from greedy import difference, margins
from intervention_grid import hooked_margins, states
from tiny_architectures import ARCHITECTURES, D_MODEL, LAYERS, Architecture

NEW_TOKENS = 16


@dataclass(frozen=True)
class Served:
    """vLLM against transformers, both in fp32.

    Attributes:
        same: greedy completions of the base model that agree, of all.
        logprob_error: largest difference of a prompt's summed log-probability, by token of the prompt.
        edited_same: the same for an edit, in the way the engine chooses and in memory in transformers.
        edited_logprob_error: as above.
        changed: completions that the edit changed.
        way: how the engine served the edit.
        fallback: what it says where that was not as an adapter.
        hooked_same: completions under interventions of every kind that agree, of all; None where the family is refused.
        hooked: how many completions that were.
        hooked_changed: how many of them base writes otherwise.
        hook_refusal: what the engine says where it refuses interventions.
        head_same, head_logprob_error, head_changed: as for the edit, under an edit of the output head, tied or not.
        ablated_same, ablated_logprob_error, ablated_changed, ablated_way: as for the edit, under one that changes the biases of
            writers too, where they have any.
    """

    same: int
    logprob_error: float
    edited_same: int
    edited_logprob_error: float
    changed: int
    way: str
    fallback: str
    hooked_same: int | None = None
    hooked: int = 0
    hooked_changed: int = 0
    hook_refusal: str | None = None
    head_same: int = 0
    head_logprob_error: float = 1.0
    head_changed: int = 0
    ablated_same: int = 0
    ablated_logprob_error: float = 1.0
    ablated_changed: int = 0
    ablated_way: str = ""


def served() -> dict[str, Served]:
    """What was found for each architecture, by name; measured once a session, in about a minute."""
    found, errors = _measured()
    if not found:
        raise RuntimeError(f"{Path(__file__).name} failed:\n{errors}")
    return {name: Served(**numbers) for name, numbers in json.loads(found).items()}


@cache
def _measured() -> tuple[str, str]:
    """What the process found and the end of what it said; a failure too is only met once."""
    here = Path(__file__).resolve()
    paths = os.pathsep.join(map(str, (here.parent.parent / "workflow", here.parent)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "served.json"
        done = subprocess.run(
            [sys.executable, str(here), str(out)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": paths},
        )
        return out.read_text() if done.returncode == 0 else "", done.stderr[-4000:]


def serve(architecture: Architecture) -> Served:
    """One architecture: base and one edit."""
    import torch

    from anatomy.interventions.edits.apply import applied
    from anatomy.models.loading import load_model
    from anatomy.serving.engine import Engine

    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "projection")
    # All that transformers has to say comes first: for some classes (OLMo-2) vLLM runs transformers' own code and changes
    # its classes in this process.
    loaded = load_model(checkpoint.folder, torch.float32, "cpu")
    base, hooked = _reference(loaded), _hooked_reference(loaded)
    with applied(loaded, edit):
        edited = _reference(loaded)
    ablation = edit_of(architecture, "orthogonalize") if architecture.bias else None
    if ablation is not None:
        with applied(loaded, ablation):
            ablated = _reference(loaded)
    residual = head(checkpoint)
    with applied(loaded, residual):
        headed = _reference(loaded)
    engine = Engine(
        checkpoint.folder,
        dtype="float32",
        max_model_len=256,
        seed=0,
        kv_cache_bytes=2**26,
        adapters=True,
        max_loras=1,
        target_modules=sorted({name.rpartition(".")[2] for name in edit.factors}),
    )
    _register(architecture)
    with engine:
        same, error = _agreement(engine, base, None)
        with engine.under([edit]) as adapter:
            found = _agreement(engine, edited, adapter)
        changed = sum(one != other for one, other in zip(edited.written, base.written, strict=True))
        with engine.under([residual]) as adapter:
            assert adapter is None
            head_same, head_error = _agreement(engine, headed, None)
        head_changed = sum(one != other for one, other in zip(headed.written, base.written, strict=True))
        biases: dict[str, Any] = {}
        if ablation is not None:
            with engine.under([ablation]) as adapter:
                ablated_same, ablated_error = _agreement(engine, ablated, adapter)
            biases = {"ablated_same": ablated_same, "ablated_logprob_error": ablated_error}
            biases["ablated_changed"] = sum(one != other for one, other in zip(ablated.written, base.written, strict=True))
            biases["ablated_way"] = engine.way([ablation]).kind
        again, _ = _agreement(engine, base, None)
        said = "; ".join(map(str, engine.fallbacks.found))
        return Served(
            min(same, again),
            error,
            *found,
            changed,
            engine.way([edit]).kind,
            said,
            **_hooked_agreement(engine, base, hooked),
            head_same=head_same,
            head_logprob_error=head_error,
            head_changed=head_changed,
            **biases,
        )


@dataclass(frozen=True)
class _Reference:
    """What transformers says of each prompt: greedy tokens, how clear each was, summed log-probability of the prompt."""

    written: list[list[int]]
    margins: list[list[float]]
    logprobs: list[float]


def _reference(loaded: Any) -> _Reference:
    import torch

    from anatomy.serving.transformers_generation import generate_with_transformers

    prompts = random_prompts()
    written = [one.token_ids for one in generate_with_transformers(loaded, prompts, _decoding(), batch_size=1)]
    logprobs = []
    for ids in prompts:
        with torch.no_grad():
            table = loaded.model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
        logprobs.append(table.gather(1, torch.tensor(ids[1:])[:, None]).sum().item())
    return _Reference(written, [margins(loaded, *row) for row in zip(prompts, written, strict=True)], logprobs)


def _hooked_requests() -> list[Any]:
    from anatomy.serving.completions import Request

    return [Request(ids, interventions=own) for own in states(D_MODEL, LAYERS) for ids in random_prompts()[1:]]


def _hooked_reference(loaded: Any) -> list[tuple[list[int], list[float]]]:
    """Greedy tokens under interventions, and how clear each was."""
    from anatomy.serving.completions import in_order
    from anatomy.serving.transformers_generation import stream_with_transformers

    requests = _hooked_requests()
    written = in_order(stream_with_transformers(loaded, requests, _decoding(), batch_size=1), len(requests))
    return [
        (one.token_ids, hooked_margins(loaded, request, one.token_ids)) for request, one in zip(requests, written, strict=True)
    ]


def _hooked_agreement(engine: Any, base: _Reference, expected: list[tuple[list[int], list[float]]]) -> dict[str, Any]:
    from anatomy.errors import ConfigError
    from anatomy.serving.completions import in_order
    from anatomy.serving.engine_hooks import stream_with_hooks

    requests = _hooked_requests()
    try:
        found = in_order(stream_with_hooks(engine, requests, _decoding(), 256), len(requests))
    except ConfigError as error:
        return {"hook_refusal": str(error)}
    plain = base.written[1:] * (len(requests) // len(base.written[1:]))
    return {
        "hooked": len(requests),
        "hooked_same": sum(difference(one.token_ids, *row) is None for one, row in zip(found, expected, strict=True)),
        "hooked_changed": sum(one.token_ids != other for one, other in zip(found, plain, strict=True)),
    }


def _agreement(engine: Any, expected: _Reference, adapter: Path | None) -> tuple[int, float]:
    from anatomy.serving.likelihood import continuation_likelihoods

    prompts = random_prompts()
    found = [one.token_ids for one in engine.generate(prompts, _decoding(), adapter=adapter)]
    same = sum(difference(*row) is None for row in zip(found, expected.written, expected.margins, strict=True))
    scored = continuation_likelihoods(engine, [ids[:1] for ids in prompts], [ids[1:] for ids in prompts], adapter)
    errors = [abs(own - one.logprob) / (len(ids) - 1) for ids, one, own in zip(prompts, scored, expected.logprobs, strict=True)]
    return same, max(errors)


def _decoding() -> Any:
    from anatomy.serving.decoding import Decoding

    return Decoding(max_new_tokens=NEW_TOKENS, temperature=0.0)


def _register(architecture: Architecture) -> None:
    """vLLM looks at a class it has not seen on this machine in yet another process, for ten seconds; here it need not."""
    from vllm import ModelRegistry

    known = ModelRegistry.models.get(architecture.causal)
    if known is not None:
        ModelRegistry.register_model(architecture.causal, known.load_model_cls())


def _spare_collections() -> None:
    """vLLM collects garbage nine times a start and stop, each time through the million objects that its import leaves."""
    from anatomy.serving.environment import prepare_environment

    prepare_environment(threads=1)
    import vllm.entrypoints.llm  # noqa: F401

    gc.collect()
    gc.freeze()
    gc.freeze = gc.unfreeze = lambda: None


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    _spare_collections()
    Path(sys.argv[1]).write_text(json.dumps({one.name: asdict(serve(one)) for one in ARCHITECTURES}))
