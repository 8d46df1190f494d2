"""From judged shortlists to picks."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.limits import least_broken, undecided
from anatomy.recipes.rosi.stages.pick import Select, pick_all

CONFIG = Config.model_validate({"rosi": {"shortlist": 2}})
METRICS = {"arc": "acc"}
WEAK = next(subject for subject in subjects(CONFIG) if subject.member == "weak")


@pytest.fixture
def select():
    """The second place refuses more, and harms benchmarks in the family ``projection``."""
    names = [family.name for family in families(CONFIG, WEAK)]
    shortlist = {name: [{"edit": name, "place": 1}, {"edit": name, "place": 2}] for name in names}
    variants = pd.DataFrame(
        [
            {"variant": f"{name}-{place}", "family": name, "place": place, "strength": place, "layer": 1, "sign": 1}
            for name in names
            for place in (1, 2)
        ]
    )
    judged = []
    for variant, place in [("base", 0), *zip(variants["variant"], variants["place"], strict=True)]:
        for prompt in range(10):
            judged.append((variant, "harmful_requests", prompt, prompt < 2 + 3 * place))
            judged.append((variant, "benign_requests", prompt, False))
    judgements = pd.DataFrame(
        [
            {"variant": v, "set": s, "id": f"{s}-{n}", "group": n, "judge": "rules", "label": "full" if r else "none"}
            for v, s, n, r in judged
        ]
    )
    samples = pd.DataFrame(
        [
            {"variant": v, "task": "arc", "id": n, "acc": 0.0 if v == "projection-2" else 1.0, "mc2": np.nan}
            for v in ["base", "projection-1", "projection-2", "row_mean-1", "row_mean-2"]
            for n in range(8)
        ]
    )
    return shortlist, judgements, variants, samples


def test_the_strongest_candidate_that_keeps_benchmarks_is_picked(select):
    selected, table = pick_all(CONFIG, WEAK, *select, METRICS)
    assert selected["row_mean"]["place"] == 2
    assert selected["projection"]["place"] == 1
    assert selected["row_mean~isotropic-0"]["place"] == 2, "controls are held to refusals alone"
    assert table.groupby("family")["picked"].sum().eq(1).all()


def test_benchmarks_of_controls_stand_in_the_table_and_change_no_pick(select):
    *others, samples = select
    lost = [
        {"variant": f"row_mean~isotropic-0-{place}", "task": "arc", "id": n, "acc": 0.0} for place in (1, 2) for n in range(8)
    ]
    before, after = (
        pick_all(CONFIG, WEAK, *others, rows, METRICS) for rows in (samples, pd.concat([samples, pd.DataFrame(lost)]))
    )
    assert after[0] == before[0]
    losses = after[1].set_index("family")["benchmark_loss"]
    assert losses["row_mean~isotropic-0"].eq(1.0).all() and losses["row_mean~isotropic-1"].isna().all()


def test_tasks_count_equally_and_by_their_own_metric(select):
    """Of task a every item is lost, of task b, which has nine times the items, none: the mean loss is a half."""
    samples = pd.DataFrame(
        [{"variant": v, "task": "a", "id": n, "acc": float(v == "base"), "mc2": 0.3} for v in ("base", "x") for n in range(2)]
        + [{"variant": v, "task": "b", "id": n, "acc": 0.0, "mc2": 0.9} for v in ("base", "x") for n in range(18)]
    )
    loss = Select(CONFIG, select[1], samples, {"a": "acc", "b": "mc2"}).loss("x")
    assert loss.estimate == 0.5 and loss.low < 0.5 < loss.high and loss.n == 20


def test_limits_at_small_numbers_are_said_beforehand():
    wanted = CONFIG.statistics
    assert least_broken(4, 0.05, wanted) is None or least_broken(4, 0.05, wanted) >= 3
    counts = [least_broken(n, 0.05, wanted) for n in (16, 64, 256)]
    assert all(counts) and counts[0] / 16 > counts[1] / 64 > counts[2] / 256
    assert "16 prompts" in undecided(16, 0.05, wanted)
