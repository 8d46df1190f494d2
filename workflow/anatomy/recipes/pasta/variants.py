"""What PASTA asks of a model in each phase."""

from __future__ import annotations

from itertools import product
from typing import Any

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import HookSpec, LowRankSpec, drawn_control
from anatomy.interventions.variant import Role, Variant
from anatomy.models.sites import Positions
from anatomy.recipes.pasta.edits import (
    CONTRASTS,
    SEARCHED,
    SIGNATURE,
    WITHOUT_REFUSAL,
    WRITES,
    ablation,
    clamp,
    orthogonalised_weights,
    own_ablation,
    subtraction,
)
from anatomy.recipes.pasta.pairs import roles
from anatomy.recipes.pasta.unedited import template_control, unedited
from anatomy.stages.generation_request import GenerationRequest, Manner

POSITIONS: tuple[Positions, ...] = ("generated", "last_prompt")


def asked(config: Config, subject: Subject, phase: str, found: dict[str, Any]) -> list[GenerationRequest]:
    """Everything that is generated for PASTA.

    Args:
        found: phase fit: nothing; select: card of the signature's extraction (``layers``, ``domains``); test: what the
            selection ended with (``layer``, ``layers``, ``operating``, ``domains``). Read for an aligned model only.
    """
    mine, one = roles(config, subject.id), _Asking(config, subject)
    wanted = []
    if mine & {"base", "null"}:
        wanted.append(one.unedited("document", requests=False))
    if "scorer" in mine:
        wanted.append(one.unedited("chat", requests=False))
    if "base" in mine and phase != "select":
        wanted.append(one.other_manner("chat"))
    if "aligned" in mine:
        wanted.append(one.unedited("chat", requests=phase != "fit"))
        if phase != "select":
            wanted.append(one.other_manner("document"))
        wanted += {"fit": lambda: [], "select": lambda: one.searched(found), "test": lambda: one.tested(found)}[phase]()
    return wanted


def tried_layers(config: Config, found: dict[str, Any]) -> list[int]:
    """Layers whose signature is tried. Layer 0 is left out: it holds token embeddings alone. The last one, the output of the
    last block, counts: the paper's layers are outputs of blocks."""
    every = range(1, found["layers"] + 1)
    return list(every) if config.pasta.layers == "all" else [layer for layer in config.pasta.layers if layer in every]


class _Asking:
    """Builds what is asked of one model."""

    def __init__(self, config: Config, subject: Subject) -> None:
        self.config, self.pasta, self.subject = config, config.pasta, subject
        self.requests = (config.evaluation.harmful, config.evaluation.benign)

    def unedited(self, manner: Manner, requests: bool) -> GenerationRequest:
        return GenerationRequest(unedited(self._sets(requests)), manner)

    def other_manner(self, manner: Manner) -> GenerationRequest:
        return GenerationRequest(template_control(manner, self._sets(False)), manner)

    def searched(self, found: dict[str, Any]) -> list[GenerationRequest]:
        """The layer sweep with its operating points, controls that search likewise, and searches inside a domain."""
        pasta, layers, wanted = self.pasta, tried_layers(self.config, found), []
        swept = ("ablate", "answer", 1.0, "all")  # the paper's sweep, whatever else is tried
        points = {
            swept,
            *(
                (form, name, scale, positions)
                for form, scales in pasta.searched_edits.items()
                for name, scale, positions in product(pasta.searched_directions, scales, pasta.searched_positions)
            ),
        }
        for layer, point in product(layers, sorted(points)):
            form, name, scale, positions = point
            contrast, last = SEARCHED[name][0], layer == found["layers"]
            if (form == "subtract" and (last or contrast != SIGNATURE)) or (contrast == WITHOUT_REFUSAL and last):
                continue  # the last layer is no block's input and has no refusal direction; others lack controls of equal norm
            edit = self._candidate(layer, *point)
            family = "sweep" if point == swept else "operating"
            wanted.append(
                self._edited(f"{form}-{name}-L{layer}@{scale:g}-{positions}", family, edit["method"], edit, "method", True)
            )
        for number, layer in product(range(pasta.controls.swept), layers):
            edit = ablation(pasta, layer, control=["orthogonal", number])
            wanted.append(self._edited(f"orthogonal-{number}-L{layer}", "sweep", "ablate", edit, "control", False))
        for (number, name), layer in product(enumerate(found["domains"]), layers):
            edit = ablation(pasta, layer, control=["domain", number])
            wanted.append(self._edited(f"domain-{number}-L{layer}", "in_domain", "ablate", edit, "method", False, name))
        return wanted

    def _candidate(self, layer: int, form: str, name: str, scale: float, positions: Positions) -> HookSpec:
        """An operating point of the search."""
        contrast, position = SEARCHED[name]
        asked: dict[str, Any] = {"contrast": contrast, "position": position, "scale": scale, "positions": positions}
        return subtraction(layer, **asked) if form == "subtract" else ablation(self.pasta, layer, **asked)

    def tested(self, found: dict[str, Any]) -> list[GenerationRequest]:
        """The picks and everything beside them, at the layer of the first detector."""
        return [*self._picks(found), *self._forms(found), *self._controls(found), *self._in_domain(found)]

    def _picks(self, found: dict[str, Any]) -> list[GenerationRequest]:
        pasta = self.pasta
        wanted = [
            self._edited(f"pasta@{detector}", "pasta", "ablate", ablation(pasta, layer), "method", True)
            for detector, layer in found["layers"].items()
        ]
        if found["operating"] is not None:
            wanted += self._operating(found["operating"])
        for scale in pasta.scales:
            edit = ablation(pasta, found["layer"], scale=scale)
            wanted.append(self._edited(f"dose-{scale:g}", "dose", "ablate", edit if scale else None, "method", True))
        return wanted

    def _operating(self, edit: HookSpec) -> list[GenerationRequest]:
        """The operating point, and the same edit along random directions of equal norm, orthogonal to the signature."""
        drawn: list[HookSpec] = [
            {**edit, "direction": {**edit["direction"], "contrast": SIGNATURE, "control": ["orthogonal", number]}}
            for number in range(self.pasta.controls.orthogonal)
        ]
        return [self._edited("operating", "operating", edit["method"], edit, "method", True)] + [
            self._edited(f"operating-orthogonal-{number}", "operating", edit["method"], one, "control", True)
            for number, one in enumerate(drawn)
        ]

    def _forms(self, found: dict[str, Any]) -> list[GenerationRequest]:
        pasta, layer = self.pasta, found["layer"]
        forms: dict[str, tuple[str, HookSpec | LowRankSpec]] = {
            "own": ("own", own_ablation(found["depth"])),
            "clamp": ("clamp", clamp(layer)),
            **{f"site-{site}": ("sites", ablation(pasta, layer, sites=[site])) for site in pasta.sites},
            "site-writes": ("sites", ablation(pasta, layer, sites=WRITES)),
            **{f"position-{name}": ("positions", ablation(pasta, layer, positions=name)) for name in POSITIONS},
            "weights": ("weights", orthogonalised_weights(layer)),
        }
        return [self._edited(name, family, edit["method"], edit, "method", True) for name, (family, edit) in forms.items()]

    def _controls(self, found: dict[str, Any]) -> list[GenerationRequest]:
        pasta, layer = self.pasta, found["layer"]
        numbers = {
            "orthogonal": pasta.controls.orthogonal,
            "equal_variance": pasta.controls.equal_variance,
            "principal": 1,
            "halves": 1,
        }
        wanted = [
            self._edited(
                f"{family}-{number}",
                "pasta",
                "ablate",
                ablation(pasta, layer, control=[family, number]),
                "control",
                True,
                control=(family, number),
            )
            for family, count in numbers.items()
            for number in range(count)
        ]
        return wanted + [
            self._edited(name, "pasta", "ablate", ablation(pasta, layer, contrast=name), "control", True, control=(name, 0))
            for name in CONTRASTS
            if name in found["contrasts"]
        ]

    def _in_domain(self, found: dict[str, Any]) -> list[GenerationRequest]:
        return [
            self._edited(
                f"domain-{number}",
                "in_domain",
                "ablate",
                ablation(self.pasta, found["domains"][name], control=["domain", number]),
                "method",
                False,
                name,
            )
            for number, name in enumerate(found["domain_order"])
            if name in found["domains"]
        ]

    def _edited(
        self,
        name: str,
        family: str,
        form: str,
        edit: HookSpec | LowRankSpec | None,
        role: Role,
        requests: bool,
        category: str | None = None,
        control: tuple[str, int] | None = None,
    ) -> GenerationRequest:
        own = None if edit is None else edit["direction"]["control"]
        if own is not None and control is None and role == "control":
            control = drawn_control(own)
        kind, number = control or ("", -1)
        benchmarked = (family in ("pasta", "own") and kind in ("", "orthogonal")) or (family == "operating" and not kind)
        edits = () if edit is None else (edit,)
        variant = Variant(name, role, edits, self._sets(requests), benchmarked, family, form, SIGNATURE, kind, number)
        return GenerationRequest(variant, "chat", category)

    def _sets(self, requests: bool) -> tuple[str, ...]:
        return (self.pasta.prefixes, *(self.requests if requests else ()))
