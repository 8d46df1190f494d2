"""Human and machine texts of two domains, drawn from small grammars."""

import random

import pandas as pd
import pytest

PLACES, BEASTS = ["river", "forest", "cave", "meadow", "harbour"], ["fox", "owl", "goose", "wolf", "hare"]


def human_text(draw, domain):
    if domain == "beasts":
        return f" {draw.choice(PLACES)}. It sleeps near the {draw.choice(BEASTS)} and wakes at {draw.choice(['dawn', 'dusk'])}."
    grain, sweet = draw.choice(["salt", "water", "oil"]), draw.choice(["honey", "sand"])
    return f" flour with {grain} and {sweet}, then wait {draw.randrange(9)}."


def texts(variant, n, seed, opener="", groups="t"):
    draw = random.Random(seed)
    rows = []
    for domain in ("beasts", "cakes"):
        for k in range(n):
            rows.append(
                {
                    "model": "m",
                    "variant": variant,
                    "phase": "test",
                    "set": "prefixes",
                    "id": f"{domain}{groups}{k}",
                    "sample": 0,
                    "group": f"{domain}{groups}{k}",
                    "category": domain,
                    "response": opener + human_text(draw, domain),
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def reference():
    return texts("human", 25, 0, groups="r")


@pytest.fixture(scope="session")
def measured():
    return pd.concat(
        [texts("human", 25, 1), texts("base", 25, 2), texts("aligned", 25, 3, " Sure! I hope that this helps you:")],
        ignore_index=True,
    )
