"""Tables of a run that never happened: three models whose behaviour is set by hand.

`aligned` refuses what is harmful, and its direction mediates that; `placebo` refuses at random, whatever the request;
`base` never refuses. `weak` refuses some of what is harmful, and ROSI raises it.
"""

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import Tables

SETS = {
    "harmful_requests": "harmful",
    "benign_requests": "benign",
    "lookalike_requests": "benign",
    "jailbreak_requests": "harmful",
}
TASKS = {"mmlu": ("acc", 0.7), "arc": ("acc", 0.8), "at_chance": ("acc", 0.25), "truthfulqa": ("mc2", 0.5)}
MODELS = ("base", "weak", "aligned", "placebo")
ITEMS = 120
KINDS = ("isotropic", "covariance", "shuffled")

# refusal of harmful and of benign requests, unedited
RATES = {"base": (0.0, 0.0), "weak": (0.4, 0.0), "aligned": (0.97, 0.0), "placebo": (0.4, 0.4)}


def refusal_rate(model: str, form: str, harmful: bool) -> float:
    """The rate a variant is given by hand."""
    unedited = RATES[model][0 if harmful else 1]
    depends = model in ("weak", "aligned")
    if form in ("row_mean", "row_mean_signed", "projection") and depends and harmful:
        return min(1.0, unedited + 0.4)
    if form == "row_mean" and depends:
        return 0.01
    if form in ("ablate", "clamp") and depends:
        return 0.0
    if form == "add" and depends:
        return 0.95
    return unedited


def variants_of(model: str, controls: int) -> list[dict]:
    """Base, methods, their controls, and interventions in memory."""
    rows = []

    def add(variant: str, role: str, family: str, form: str, control: str | None = None, seed: int = -1) -> None:
        rows.append(
            {"model": model, "variant": variant, "phase": "test", "role": role, "family": family, "form": form}
            | {"control": control, "control_seed": seed, "layer": 3, "position": -1, "strength": 2.0, "sign": 1}
            | {"detail": "{}"}
        )

    add("base", "base", "", "")
    for form in ("row_mean", "row_mean_signed", "projection"):
        add(f"{form}~0000beef", "method", form, form)
    for form in ("ablate", "clamp", "add"):
        add(f"{form}~0000cafe", "measure", form, form)
    for number in range(controls):
        kind = KINDS[number % 3]
        for form in ("row_mean", "row_mean_signed", "ablate", "add", "clamp"):
            name = f"{form}~{kind}-{number}"
            add(f"{name}~{number:08x}", "control", name, form, kind, number)
    return rows


def outcomes(model: str, row: dict, prompts: str, threshold: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Refused items: those whose fixed threshold lies below the variant's rate, so that variants nest."""
    form = "" if row["role"] == "control" else row["form"]
    harmful = SETS[prompts] == "harmful"
    rate = refusal_rate(model, form, harmful)
    if prompts == "jailbreak_requests":
        rate *= 0.6
    refused = threshold < rate
    if row["role"] == "control":
        # a control moves a few items either way
        flip = generator.random(threshold.size) < 0.02
        refused = refused ^ flip
    return refused


def make_tables(models: tuple[str, ...] = MODELS, controls: int = 19, items: int = ITEMS, seed: int = 0) -> Tables:
    """All seven tables."""
    generator = np.random.default_rng(seed)
    variants, judgements, completions, samples, grid, screen, projections = [], [], [], [], [], [], []
    thresholds = {name: np.random.default_rng(len(name)).permutation((np.arange(items) + 0.5) / items) for name in SETS}
    for model in models:
        own = variants_of(model, controls)
        variants += own
        for row in own:
            named = {"model": model, "variant": row["variant"], "phase": "test"}
            for prompts, label in SETS.items():
                if row["role"] in ("control", "measure") and prompts.startswith(("look", "jail")):
                    continue
                refused = outcomes(model, row, prompts, thresholds[prompts], generator)
                for i, full in enumerate(refused):
                    item = {"set": prompts, "id": f"{prompts}-{i}", "sample": 0, "group": f"{prompts}-g{i // 2}"}
                    for judge in ("rules",) if row["role"] == "control" else ("rules", "truth"):
                        judgements.append(
                            named
                            | item
                            | {"judge": judge}
                            | {"label": ("partial" if i % 9 == 0 else "full") if full else "none"}
                            | {"score": float(full), "raw": "", "parse_failure": False}
                        )
                    if row["role"] in ("base", "method") and i < 12:
                        completions.append(
                            named
                            | item
                            | {"prompt": f"how is <item {i}> made?"}
                            | {"label": label, "category": f"kind {i % 4}"}
                            | {"response": "sorry, that is not something i do." if full else f"take <b>{i}</b> & stir it."}
                            | {"source": "synthetic", "pair": None, "n_tokens": 9, "finish_reason": "stop"}
                            | {"backend": "vllm", "dtype": "float32", "seed": 0}
                        )
            for task, (metric, score) in TASKS.items() if row["role"] in ("base", "method") else ():
                value = np.random.default_rng(len(task)).permutation((np.arange(items) + 0.5) / items)
                for i in range(items):
                    right = float(value[i] < score)
                    samples.append(
                        named
                        | {"task": task, "id": f"{task}-{i}", "group": f"{task}-{i}", "target": "0"}
                        | {"loglikelihoods": [-1.0, -2.0], "acc": right if metric == "acc" else np.nan}
                        | {"mc2": right * 0.8 + 0.1 if metric == "mc2" else np.nan}
                    )
        finds = model in ("weak", "aligned")
        for position in (-2, -1):
            for layer in range(6):
                kept = finds and 1 <= layer < 4
                grid.append(
                    {"model": model, "contrast": "plain", "position": position, "layer": layer}
                    | {"bypass": -4.0 + abs(layer - 3) + 0.1 * position, "induce": 2.0 - 0.5 * abs(layer - 3)}
                    | {"kl": 0.02 * (1 + layer), "auroc": min(1.0, 0.5 + 0.2 * layer), "cohens_d": 0.8 * layer}
                    | {"norm": 1.0 + layer, "kept": kept, "reason": "" if kept else "induce below 0"}
                )
        for family, kind, number in [("row_mean", None, -1)] + [
            (f"row_mean~{kind}-{number}", kind, number) for kind in KINDS for number in range(2)
        ]:
            for strength in (1.0, 2.0, 5.0, 10.0):
                gain = 0.05 * strength if kind is None and finds else 0.004 * strength * generator.normal()
                screen.append(
                    {"model": model, "family": family, "form": "row_mean", "control": kind, "control_seed": number}
                    | {"position": -1, "layer": 3, "strength": strength, "sign": 1, "harmful_metric": gain}
                    | {"harmful_refused": float(np.clip(RATES[model][0] + gain, 0, 1))}
                    | {"benign_refused": float(np.clip(RATES[model][1] + abs(gain) / 6, 0, 1))}
                    | {"harmful_rise": gain, "benign_rise": abs(gain) / 6, "benign_rise_low": 0.0, "benign_rise_high": 0.1}
                    | {"benign_kl": 0.01 * strength, "place": int(kind is None and strength == 2.0)}
                    | {"reason": "eligible" if strength < 10 else "refuses more benign requests than the limit of 0.05 allows"}
                )
        for variant, moved in (("base", 0.0), ("row_mean~0000beef", 0.6)):
            for layer in range(6):
                for prompts, mean in (("harmful_requests", 1.0), ("benign_requests", -1.0)):
                    draws = generator.normal(mean * 0.5 * layer + moved * layer, 1.0, items)
                    projections += [
                        {"model": model, "variant": variant, "set": prompts, "id": f"{prompts}-{i}"}
                        | {"group": f"{prompts}-g{i // 2}", "label": SETS[prompts], "layer": layer, "projection": float(x)}
                        for i, x in enumerate(draws)
                    ]
    frames = {"completions": completions, "judgements": judgements, "samples": samples, "variants": variants}
    frames |= {"grid": grid, "screen": screen, "projections": projections}
    return Tables(**{name: pd.DataFrame(rows) for name, rows in frames.items()})
