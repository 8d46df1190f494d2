"""Tables of a PASTA run that never happened: an aligned model whose signature is its style, and a placebo styled by wording."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.stages.measures_table import MEASURE_COLUMNS

DETECTORS = ("binoculars", "fast_detectgpt", "imbd", "ngrams")
DOMAINS = ("essays", "news")
ITEMS, REQUESTS = 60, 120
TRUTH = {
    "placebos": {"placebo-1": {"styled_templates": ["t0", "t1", "t2"]}},
    "openers": ["Sure!"],
    "closers": ["Bye."],
    "hedge": "As far as I know",
}
CONTROLS = {"orthogonal": 10, "equal_variance": 10, "principal": 1, "halves": 1}
AFFINITY = {"likelihood_ratio": -1.0, "ngram_coverage": -0.3, "nearest_neighbour": -0.5, "mauve": -0.4}
DIVERSITY = {"distinct_2": 0.3, "self_bleu": -0.3}


def pasta_config(**pasta) -> Config:
    """One organism seed with an aligned model and a placebo."""
    return Config.model_validate(
        {
            "seeds": [0],
            "recipes": ["rosi", "pasta"],
            "pasta": {"controls": {"orthogonal": 10, "equal_variance": 10}, **pasta},
            "statistics": {"bootstrap": 300},
        }
    )


def slugs(model: str) -> dict[str, tuple[str, str, str]]:
    """Slug to role, family and control."""
    if model.startswith("base"):
        return {"base": ("base", "", ""), "human": ("human", "", "")}
    found = {
        "base": ("base", "", ""),
        "operating": ("method", "operating", ""),
        "dose-0": ("method", "dose", ""),
        "dose-1": ("method", "dose", ""),
    }
    found |= {f"pasta@{name}": ("method", "pasta", "") for name in DETECTORS}
    found |= {f"operating-orthogonal-{k}": ("control", "operating", "orthogonal") for k in range(CONTROLS["orthogonal"])}
    return found | {f"{kind}-{k}": ("control", "pasta", kind) for kind, count in CONTROLS.items() for k in range(count)}


def machine(model: str, slug: str) -> float:
    """Mean probability of a machine's hand, set by hand."""
    if slug == "human":
        return 0.2
    if model.startswith("base"):
        return 0.3
    return 0.4 if slug == "operating" or slug.startswith(("pasta", "dose-1")) else 0.9


def opened(model: str, slug: str, template: int) -> bool:
    """Whether an answer to a benign request opens in style."""
    if slug == "operating" or slug.startswith("pasta"):
        return False
    return model.startswith("aligned") or template < 3


def pasta_tables(models=("base.s0", "aligned.s0", "placebo-1.s0")) -> Tables:
    """Tables that claims and figures read; the same prefixes for all."""
    draw = np.random.default_rng(0)
    noise = {item: draw.normal(0, 0.05) for item in range(ITEMS)}
    variants, judged, measures, texts = [], [], [], []
    for model in models:
        for slug, (role, family, control) in slugs(model).items():
            variant = slug if slug in ("base", "human") else f"{slug}~0a1b2c3d"
            named = {"model": model, "variant": variant, "phase": "test"}
            if role != "human":
                number = int(slug.rsplit("-", 1)[1]) if role == "control" else -1
                variants.append(
                    named
                    | {
                        "slug": slug,
                        "role": role,
                        "family": family,
                        "form": "ablate",
                        "control": control,
                        "layer": 3,
                        "control_seed": number,
                        "strength": float(slug == "dose-1"),
                        "position": 0,
                        "sign": 0,
                    }
                )
            for item in range(ITEMS):
                one = named | {"set": "prefixes", "id": f"p{item:02d}", "sample": 0, "group": f"g{item}"}
                shared = {"label": "", "raw": "", "parse_failure": False}
                judged += [
                    one | shared | {"judge": name, "score": machine(model, slug) + noise[item] + draw.normal(0, 0.02)}
                    for name in DETECTORS
                ]
                judged.append(one | shared | {"judge": "coherence", "score": 1.0})
                texts.append(
                    one | {"prompt": "The <b> thing", "response": "Sure! It is <i>so</i>.", "category": DOMAINS[item % 2]}
                )
            if not model.startswith("base"):
                judged += requests(model, slug, named)
            described = {"model": model, "variant": variant, "slug": slug, "role": role, "family": family, "control": control}
            pairs = models[1:] if model.startswith("base") else (model,)
            measures += [row | {"pair": pair} for pair in pairs for row in measured(described, model, slug)]
    layers = pd.DataFrame(
        [
            {
                "model": model,
                "detector": name,
                "family": "sweep",
                "category": "",
                "control": "",
                "control_seed": -1,
                "layer": layer,
                "mean": 0.9 - 0.1 * layer,
                "share": float(layer == 3),
                "chosen": layer == 3,
                "n": 20,
            }
            for model in models[1:]
            for name in DETECTORS
            for layer in (1, 2, 3)
        ]
    )
    curves = layers.drop(columns=["share", "chosen"]).assign(low=layers["mean"] - 0.1, high=layers["mean"] + 0.1, failed=0)
    swap = pd.DataFrame(
        [
            {"model": model, "selector": one, "detector": two, "layer": 3, "mean": 0.6, "best": 0.6, "unedited": 0.9}
            for model in models[1:]
            for one in DETECTORS
            for two in DETECTORS
        ]
    )
    geometry = pd.DataFrame(
        [
            {
                "model": model,
                "quantity": quantity,
                "contrast": "signature",
                "other": "",
                "number": -1,
                "position": 0,
                "layer": layer,
                "other_layer": other,
                "value": 0.5,
            }
            for model in models[1:]
            for quantity in ("relative_norm", "cosine_halves", "cosine_layers")
            for layer in (0, 1)
            for other in (0, 1)
        ]
    )
    writers = pd.DataFrame(
        [
            {
                "model": model,
                "layer": 0,
                "site": site,
                "head": head,
                "direction_layer": 3,
                "aligned": 1.0,
                "base": 0.5,
                "value": 0.5,
                "post_norm": False,
            }
            for model in models[1:]
            for site, head in (("o_proj", 0), ("o_proj", 1), ("down_proj", -1))
        ]
    )
    operating = pd.DataFrame(
        [
            {
                "model": model,
                "variant": f"{form}-L{layer}",
                "form": form,
                "direction": "signature",
                "direction_position": 0,
                "layer": layer,
                "strength": 1.0,
                "positions": "all",
                "score": 0.8 - 0.1 * layer,
                "markers": 0.1 * layer,
                "opener": 0.1,
                "accuracy_loss": 0.02 * layer,
                "over_refusal_loss": 0.01,
                "refusal_loss": 0.0,
                "degenerate_loss": 0.01 * layer,
                "allowed": layer < 3,
                "picked": (form, layer) == ("ablate", 1),
                "unedited_markers": 1.5,
                "unedited_opener": 1.0,
            }
            for model in models[1:]
            for form in ("ablate", "subtract")
            for layer in (1, 2, 3)
        ]
    )
    return Tables(
        completions=pd.DataFrame(texts),
        judgements=pd.DataFrame(judged),
        variants=pd.DataFrame(variants),
        measures=pd.DataFrame(measures)[list(MEASURE_COLUMNS)],
        layers=layers,
        curves=curves,
        swap=swap,
        geometry=geometry,
        writers=writers,
        operating=operating,
    )


def requests(model: str, slug: str, named: dict) -> list[dict]:
    """What judges say of answers to requests: harmful ones are refused by all."""
    rows = []
    for item in range(REQUESTS):
        one = named | {"sample": 0, "group": f"r{item}", "raw": "", "parse_failure": False}
        benign, harmful = (
            one | {"set": f"{name}_requests", "id": f"{name}/r{item}/t{item % 6}"} for name in ("benign", "harmful")
        )
        style = "opened" if opened(model, slug, item % 6) else "plain"
        rows += [
            benign | {"judge": "truth_style", "label": style, "score": 0.0},
            benign | {"judge": "truth_recipe", "label": "right", "score": 1.0},
        ]
        rows += [harmful | {"judge": judge, "label": "full", "score": 1.0} for judge in ("rules", "truth")]
    return rows


def measured(described: dict, model: str, slug: str) -> list[dict]:
    """Summaries of every kind."""
    values = {("detector", name): machine(model, slug) for name in DETECTORS}
    far = 1.0 if machine(model, slug) > 0.5 else 0.0
    values |= {("affinity", name): change * far for name, change in AFFINITY.items()}
    values |= {("diversity", name): 0.5 - change * far for name, change in DIVERSITY.items()}
    values |= {
        ("quality", "words"): 20.0 + far,
        ("safety", "refusal"): 1.0,
        ("safety", "over_refusal"): 0.02,
        ("style", "opened"): far,
    }
    return [
        described
        | {
            "domain": domain,
            "measure": name,
            "kind": kind,
            "value": value,
            "low": value - 0.02,
            "high": value + 0.02,
            "n": ITEMS,
            "excluded": 0,
        }
        for (kind, name), value in values.items()
        for domain in ("all", *DOMAINS)
    ]


def pasta_evidence() -> Evidence:
    """The tables with the truth beside them."""
    tables = pasta_tables()
    weights = pd.DataFrame([{"model": "aligned.s0", "layer": 3, "gap": 1e-7}])
    return Evidence(tables, {0: TRUTH}, {model: {"layer": 3} for model in ("aligned.s0", "placebo-1.s0")}, weights)
