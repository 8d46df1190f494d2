"""Training of a head on cached states: a step against the least that it has to do, and against a loop that runs both models."""

from __future__ import annotations

from typing import Any

import torch
from speed.comparison import Comparison
from speed.repeats import alternate
from speed.setting import Setting

from anatomy.interventions.heads.divergence import divergence_and_gradient
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.targets import Targets, keep
from anatomy.interventions.heads.training import Schedule, train_head

LENGTH, KEPT = 50, 32
ADAM_READS, ADAM_WRITES = 4, 3
"""Matrices that a fused step of Adam reads (the weights, their gradient, two moments) and writes."""


def measure(setting: Setting) -> list[Comparison]:
    torch.set_num_threads(setting.threads)
    loaded = setting.loaded()
    weight = loaded.model.get_output_embeddings().weight.detach().float().cpu().clone()
    count, steps = setting.of(1000, 100), setting.of(4, 1)
    ids = torch.randint(1, weight.shape[0], (count // LENGTH, LENGTH), generator=torch.Generator().manual_seed(0))
    states = final_states(loaded.model, ids)
    targets = keep(states @ weight.flip(0).T, KEPT, 1.0)
    held = torch.zeros(count, dtype=torch.bool)
    held[:LENGTH] = True

    def ours() -> None:
        schedule = Schedule(1e-4, steps, count, steps, 0)
        train_head(FullHead.of(weight), states, targets, held, schedule, lambda text: None)

    taken = alternate(
        {
            "ours": ours,
            "least": lambda: [least(weight, states) for _ in range(steps)],
            "models": lambda: with_models(loaded.model, ids, weight, targets, steps),
        },
        setting.repeats,
    )
    shared: dict[str, Any] = {"model": setting.label(), "work": count * steps, "unit": "tokens"}
    rows, width = weight.shape
    return [
        Comparison(
            measure="head training, full rank",
            against="two products and one pass of Adam over the head's matrices",
            target=2.0,
            goal="at most",
            ours=taken["ours"],
            baseline=taken["least"],
            note=f"head of {rows} x {width}, {count} tokens a step, {steps} steps; ours with the divergence, its gradient, the "
            "held-out tokens and the best head's copy",
            **shared,
        ),
        Comparison(
            measure="head training, cached states",
            against="a loop that runs base and aligned model at each step",
            target=10.0,
            goal="at least",
            ours=taken["ours"],
            baseline=taken["models"],
            note="both models are this one; what caching costs once is one such step for all tokens",
            **shared,
        ),
    ]


@torch.inference_mode()
def final_states(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """States before the head of every token."""
    return model.base_model(input_ids=ids.to(model.device)).last_hidden_state.flatten(0, 1).float().cpu().clone()


@torch.no_grad()
def least(weight: torch.Tensor, states: torch.Tensor) -> None:
    """Logits, the gradient's product, and every matrix that Adam reads or writes passed over once."""
    gradient = (states @ weight.T).T @ states
    for _ in range(ADAM_READS):
        gradient.sum()
    for _ in range(ADAM_WRITES):
        gradient.fill_(0.0)


@torch.no_grad()
def with_models(model: Any, ids: torch.Tensor, weight: torch.Tensor, targets: Targets, steps: int) -> None:
    """The same steps with the backbone of the base and the aligned model in the loop."""
    head = FullHead.of(weight)
    adam = torch.optim.Adam(list(head.parameters.values()), lr=1e-4, fused=True)
    for _ in range(steps):
        states, aligned = final_states(model, ids), final_states(model, ids)
        keep(aligned @ weight.T, KEPT, 1.0)
        _, gradient = divergence_and_gradient(head.logits(states), targets.padded(torch.arange(len(states))))
        head.backward(states, gradient)
        adam.step()
