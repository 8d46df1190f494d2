"""Hook states: what each request of a batch does to the stream, numbered for the batch and named by content for the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anatomy.store.digest import canonical_json

if TYPE_CHECKING:
    from anatomy.models.activations.interventions import Intervention

KEY = "hook_state"
"""Where a request carries its state's number: ``SamplingParams.extra_args``, which vLLM hands through untouched."""


class States:
    """The distinct states of a batch, numbered from 1; 0 is a request without interventions.

    Args:
        asked: each request's interventions, in the order they are applied.
    """

    def __init__(self, asked: Sequence[Sequence[Intervention]]) -> None:
        self.distinct: list[tuple[Intervention, ...]] = []
        self.of_request: list[int] = []
        self._digests: list[str] = []
        numbers: dict[str, int] = {"": 0}
        digests: dict[int, str] = {}
        for interventions in asked:
            for one in interventions:
                if id(one) not in digests:
                    digests[id(one)] = intervention_digest(one)
            name = "+".join(digests[id(one)] for one in interventions)
            if name not in numbers:
                self.distinct.append(tuple(interventions))
                self._digests.append(hashlib.sha256(name.encode()).hexdigest())
                numbers[name] = len(self.distinct)
            self.of_request.append(numbers[name])

    def salt(self, request: int, prompt_length: int) -> str | None:
        """What keeps a request's cached keys and values apart from those that other states would compute.

        A state that changes the last token of the prompt, or generated tokens, computes other keys for the same tokens where
        the prompt ends elsewhere, so the prompt's length belongs to its name.
        """
        number = self.of_request[request]
        if not number:
            return None
        everywhere = all(one.positions == "all" for one in self.distinct[number - 1])
        return self._digests[number - 1] + ("" if everywhere else f"/{prompt_length}")


def state_number(parameters: Any) -> int:
    """The state a request carries; 0 where it carries none."""
    extra = getattr(parameters, "extra_args", None)
    return (extra or {}).get(KEY, 0)


def intervention_digest(intervention: Intervention) -> str:
    """SHA-256 of all that decides what an intervention does."""
    named = {
        "kind": intervention.kind,
        "layers": list(intervention.layers),
        "scale": float(intervention.scale),
        "sites": sorted(intervention.sites),
        "positions": intervention.positions,
        "shape": list(intervention.vectors.shape),
    }
    content = hashlib.sha256(canonical_json(named).encode())
    for tensor in (intervention.vectors, intervention.targets):
        if tensor is not None:
            content.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
