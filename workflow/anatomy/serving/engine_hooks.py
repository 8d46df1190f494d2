"""Activation interventions inside a running engine, each request under its own.

A sweep over layers or strengths is one batch: vLLM flattens the tokens of all requests, and every token is changed as its
request asks (``hooks.changes``). Hooks stand only while a batch runs; without them the engine is what it was. Cached keys
and values are shared between requests of one state only. Adapters and interventions never share a request: where weights are
edited too, they are reloaded (``Engine.under(edits, in_place=True)``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from anatomy.errors import ConfigError, EditError
from anatomy.serving.completions import Request, stream_through
from anatomy.serving.decoding import Decoding, Generation

if TYPE_CHECKING:
    from anatomy.models.activations.interventions import Intervention
    from anatomy.serving.engine import Engine


def stream_with_hooks(
    engine: Engine, requests: Sequence[Request], decoding: Decoding, shard_size: int, say: Callable[[str], None] | None = None
) -> Iterator[tuple[list[int], list[Generation]]]:
    """Complete prompts on one engine, each under its own interventions or none (see ``completions.stream``).

    Args:
        requests: base prompts with ``interventions``, mixed as they come.
        shard_size: prompts a shard.
        say: receives a line with rate and remaining time after each shard.

    Yields:
        ``(places, generations)``: positions in ``requests`` and their completions.

    Raises:
        ConfigError: a request with an adapter; sampling without seeds; the engine runs graphs, or a model whose module was
            never compared with transformers'.
        EditError: an intervention at layers or of a width that the model does not have.
        DataError: a prompt is too long, before the first one is answered; or empty.
    """
    if any(request.adapter is not None for request in requests):
        raise ConfigError(
            found="an adapter beside interventions",
            expected="base requests",
            where="stream_with_hooks",
            remedy="ask for adapters with stream, or generate with transformers",
        )
    require_hooks(engine)

    def run(shard: Sequence[Request], parameters: Sequence[Any]) -> list[Any]:
        return run_with_hooks(
            engine, [request.token_ids for request in shard], parameters, [request.interventions for request in shard]
        )

    yield from stream_through(run, engine, requests, decoding, shard_size, say)


def run_with_hooks(
    engine: Engine, token_ids: Sequence[list[int]], parameters: Sequence[Any], interventions: Sequence[Sequence[Intervention]]
) -> list[Any]:
    """One batch of base prompts under interventions: vLLM's own outputs, in order (see ``Engine.run``).

    Args:
        token_ids: the prompts.
        parameters: one ``vllm.SamplingParams`` a prompt.
        interventions: each prompt's, applied in order; empty for none.
    """
    from anatomy.serving.hooks.batch import EngineBatch
    from anatomy.serving.hooks.changes import stack
    from anatomy.serving.hooks.modules import changing
    from anatomy.serving.hooks.states import KEY, States

    runner = require_hooks(engine)
    _check_shapes(interventions, runner)
    states = States(interventions)
    carrying = []
    for own, number in zip(parameters, states.of_request, strict=True):
        own = copy.copy(own)
        own.extra_args = {**(own.extra_args or {}), KEY: number}
        carrying.append(own)
    salts = [states.salt(place, len(ids)) for place, ids in enumerate(token_ids)]
    with changing(runner.model, stack(states.distinct, runner.device), lambda width: EngineBatch(runner, width)):
        return engine.run(token_ids, carrying, [None] * len(token_ids), salts=salts)


def require_hooks(engine: Engine) -> Any:
    """vLLM's model runner, where hooks would act as they do in transformers.

    Raises:
        ConfigError: graphs replay the model without its hooks, the runner keeps its batch otherwise, or the model's family
            was never compared.
    """
    from anatomy.serving.hooks.modules import refuse_unproven

    runner, where = engine.runner(), str(engine.model_folder)
    refuse_unproven(runner.model_config.hf_config.model_type, where)
    if not runner.model_config.enforce_eager:
        raise ConfigError(
            found="an engine that compiles its model",
            expected="one started with hooks=True",
            where=where,
            remedy="Engine(..., hooks=True); compiled models run without their hooks",
        )
    if not all(hasattr(runner, name) for name in ("input_batch", "requests", "query_start_loc")):
        raise ConfigError(
            found=f"vLLM's {type(runner).__module__}",
            expected="its first model runner",
            where=where,
            remedy="set VLLM_USE_V2_MODEL_RUNNER=0, or generate with transformers",
        )
    return runner


def _check_shapes(interventions: Sequence[Sequence[Intervention]], runner: Any) -> None:
    config = runner.model_config.hf_text_config
    for one in {id(one): one for own in interventions for one in own}.values():
        outside = [layer for layer in one.layers if not 0 <= layer < config.num_hidden_layers]
        if outside or one.vectors.shape[-1] != config.hidden_size:
            raise EditError(
                found=f"an intervention on layers {list(one.layers)} with vectors of {one.vectors.shape[-1]} dimensions",
                expected=f"layers 0 to {config.num_hidden_layers - 1} and {config.hidden_size} dimensions",
                where=str(runner.model_config.model),
            )
