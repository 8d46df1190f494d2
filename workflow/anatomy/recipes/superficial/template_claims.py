"""Claims of the template control: what the template alone changes, beside what alignment changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.measures import Refusals
from anatomy.evidence.claims.tables import Tables, VariantSelector, find_variant
from anatomy.interventions.variant import BASE as UNEDITED
from anatomy.recipes.superficial.pairs import Pair, orders, way_of
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS, BASE
from anatomy.recipes.superficial.stages.orders import TEMPLATE
from anatomy.statistics.clusters import Sample

Gather = Callable[[Tables], Contrast]


def template_claims(config: Config, pair: Pair, refusal: Refusals, brings: Test, claim: Callable[..., Claim]) -> list[Claim]:
    """What the template alone changes, beside what alignment changes.

    Args:
        brings: premise that alignment brings refusals: of none, every template makes more or less than any share.
    """
    wanted, templated = config.superficial, {subject.id: subject.template for subject in subjects(config)}
    found = []
    for order in orders(config, pair):
        if way_of(order, "base") != way_of(order, "aligned"):
            found.append(
                claim(
                    f"template.{order}",
                    "The template alone moves the base's predictions less than alignment does.",
                    "ours (control)",
                    Test(
                        "difference_above",
                        _beside_template(pair, order),
                        {"threshold": 0},
                        "nats a token, aligned from base minus base from itself under the other template, by answer",
                    ),
                )
            )
        for role, model in (("base", pair.base), ("aligned", pair.aligned)):
            if (way_of(order, role) == "template") != templated[model]:
                found.append(
                    claim(
                        f"template.{order}.{role}",
                        f"How the {role} model is spoken to makes less than {wanted.partly:.0%} of the refusals of alignment.",
                        "ours (control)",
                        brings,
                        Test(
                            "difference_below",
                            _by_template(refusal, pair, model, f"as-{way_of(order, role)}", wanted.partly),
                            {"threshold": 0},
                            f"refused by the {role} model as always minus {way_of(order, role)}, "
                            f"minus {wanted.partly:g} of what alignment brings",
                        ),
                    )
                )
    return found


def _beside_template(pair: Pair, order: str) -> Gather:
    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("kl", model=pair.aligned, head=BASE, texts=ALIGNED_ANSWERS)
        moved = tables.rows("orders", model=pair.aligned, order=order, arm=TEMPLATE)
        means = [table.groupby(["set", "id"])["kl"].mean() for table in (rows, moved)]
        values = (means[0] - means[1]).dropna()
        groups = rows.drop_duplicates(["set", "id"]).set_index(["set", "id"])["group"].loc[values.index]
        return Contrast(Sample(values.to_numpy(np.float64), groups.to_numpy(object), signed=True))

    return gather


def _by_template(read: Refusals, pair: Pair, model: str, otherwise: str, share: float) -> Gather:
    def gather(tables: Tables) -> Contrast:
        other = find_variant(tables, model, VariantSelector("control", otherwise), read.phase)["variant"]
        base, aligned, own = (read(tables, one, UNEDITED) for one in (pair.base, pair.aligned, model))
        moved = read(tables, model, other)
        shared = own.index.intersection(moved.index)
        base, aligned, own, moved = (one.loc[shared, "value"] for one in (base, aligned, own, moved))
        values = (own - moved) - share * (aligned - base)
        groups = read(tables, model, other).loc[shared, "group"]
        return Contrast(Sample(values.to_numpy(np.float64), groups.to_numpy(object), signed=True))

    return gather
