import numpy as np
import pytest
import torch

from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.partial_scores import PartialScores
from anatomy.interventions.directions.prompt_scores import CRITERIA
from anatomy.interventions.directions.race import Race
from anatomy.interventions.directions.selection import SelectionRule
from anatomy.progress.counting import reporting

RULE = SelectionRule(least_induce=0.0, most_kl=0.1, layer_fraction=0.8)
CELLS = [(position, layer) for position in (-3, -2, -1) for layer in range(1, 9)]


class Recorded:
    """Scores of all cells on all prompts, as they would come from a model; counts what was asked for."""

    def __init__(self, scores):
        self.scores, self.asked = scores, dict.fromkeys(CRITERIA, 0)

    def prompts(self, criterion):
        return self.scores[criterion].shape[1]

    def score(self, criterion, cells, rows):
        self.asked[criterion] += len(cells) * len(rows)
        return torch.tensor(self.scores[criterion][[CELLS.index(cell) for cell in cells]][:, rows])


def drawn(seed, harmful=32, harmless=32, induce=0.0, kl=0.05):
    """Cells differ by a few units, prompts by as much, and what they do together by one."""
    generator = np.random.default_rng(seed)

    def table(count, centre, spread, noise):
        return centre + spread * (
            generator.normal(size=(len(CELLS), 1))
            + generator.normal(size=(1, count))
            + noise * generator.normal(size=(24, count))
        )

    return {
        "bypass": table(harmful, -3.0, 2.0, 0.4),
        "induce": table(harmless, induce, 2.0, 0.4),
        "kl": np.abs(table(harmless, 0.0, kl, 1.0)),
    }


def race_of(recorded, pace):
    return Race(PartialScores(recorded, CELLS, pace), RULE)


def exhaustive(scores, criterion, limits):
    means = {name: values.mean(1) for name, values in scores.items()}
    kept = np.ones(len(CELLS), dtype=bool)
    if "induce" in limits:
        kept &= means["induce"] >= RULE.least_induce
    if "kl" in limits:
        kept &= means["kl"] <= RULE.most_kl
    order = means[criterion] if criterion == "bypass" else -means[criterion]
    return int(np.where(kept, order, np.inf).argmin()) if kept.any() else None


@pytest.mark.parametrize(
    ("criterion", "limits"), [("bypass", ("induce", "kl")), ("bypass", ("kl",)), ("bypass", ()), ("induce", ())]
)
def test_a_race_finds_what_scoring_everything_finds_for_less(criterion, limits):
    asked = total = missed = 0
    for seed in range(60):
        scores = drawn(seed)
        recorded = Recorded(scores)
        found = race_of(recorded, Pace(4, 0.05, seed)).best(criterion, limits)
        missed += found != exhaustive(scores, criterion, limits)
        asked += sum(recorded.asked.values())
        total += sum(scores[name].size for name in {criterion, *limits})
    # A chance of .05 for each, of which the bounds use a small part.
    assert missed <= 3
    assert asked < 0.4 * total


def test_no_cell_within_the_limits():
    race = race_of(Recorded(drawn(0, induce=-30.0)), Pace(4, 0.05, 0))
    assert race.best("bypass", ("induce", "kl")) is None
    assert race.beyond("induce").all() and race.read.scored["induce"].max() == 4
    assert race.why(0) == "induce < 0 on 4 prompts"


def test_where_all_miss_a_limit_narrowly_that_is_read_and_not_what_would_rank_them():
    scores = drawn(4)
    scores["induce"] -= scores["induce"].mean(1).max() + 0.2
    race = race_of(Recorded(scores), Pace(4, 0.05, 0))
    assert race.best("bypass", ("induce", "kl")) is None
    assert race.read.scored["induce"].max() > 4 == race.read.scored["bypass"].max()


def test_a_winner_is_known_on_all_prompts_and_the_others_say_why_not():
    scores = drawn(3, induce=5.0, kl=0.01)
    race = race_of(Recorded(scores), Pace(4, 0.05, 0))
    winner = race.best("bypass", ("induce", "kl"))
    assert all(race.read.whole(winner, name) for name in CRITERIA)
    assert race.read.mean("bypass", winner) == pytest.approx(scores["bypass"][winner].mean(), abs=1e-12)
    assert race.why(winner) == ""
    worst = int(scores["bypass"].mean(1).argmax())
    assert race.why(worst) == "bypass above that of a kept cell on 4 prompts"
    assert np.isnan(race.read.mean("kl", worst)) and race.read.scored["bypass"][worst] == 4


def test_ties_go_to_the_lower_layer_then_the_later_position():
    scores = {name: np.repeat(values[:1], len(CELLS), 0) for name, values in drawn(1, induce=9.0, kl=0.001).items()}
    winner = race_of(Recorded(scores), Pace(4, 0.05, 0)).best("bypass", ("induce", "kl"))
    assert CELLS[winner] == (-1, 1)


def test_what_may_be_missed_is_never_missed_by_more():
    for seed in range(20):
        scores = drawn(seed)
        means = scores["bypass"].mean(1)
        lean, full = (Recorded(scores), Recorded(scores))
        found = race_of(lean, Pace(4, 0.05, 0, regret=1.0)).best("bypass", whole=False)
        race_of(full, Pace(4, 0.05, 0)).best("bypass", whole=False)
        assert means[found] <= means.min() + 1.0
        assert lean.asked["bypass"] <= full.asked["bypass"]


@pytest.mark.parametrize(("harmful", "harmless", "first"), [(2, 3, 4), (1, 1, 1), (5, 40, 2)])
def test_few_prompts_and_sides_of_different_sizes(harmful, harmless, first):
    for seed in range(5):
        scores = drawn(seed, harmful, harmless)
        found = race_of(Recorded(scores), Pace(first, 0.05, 0)).best("bypass", ("induce", "kl"))
        assert found == exhaustive(scores, "bypass", ("induce", "kl"))


def test_a_cell_whose_score_is_not_finite_is_out():
    scores = drawn(5)
    best = exhaustive(scores, "bypass", ())
    scores["bypass"][best, 2:] = np.nan
    race = race_of(Recorded(scores), Pace(4, 0.05, 0))
    assert race.best("bypass") not in (None, best)
    assert race.out(())[best] and race.why(best) == ""


def test_the_same_seed_asks_for_the_same_prompts():
    def asked(seed):
        race = race_of(Recorded(drawn(2)), Pace(4, 0.05, seed))
        race.best("bypass")
        return race.read.values["bypass"][0, :4].tolist()

    assert asked(0) == asked(0) != asked(1)


class Listener:
    """What a race's count says at each step: how far it is, of how much."""

    def __init__(self):
        self.fractions, self.counts = [], []

    def changed(self, open_counts, boundary):
        for count in [count for count in open_counts if count.what == "rounds of the race"]:
            self.fractions.append(count.fraction)
            self.counts.append((count.done, count.total))


@pytest.mark.parametrize(("induce", "first"), [(0.0, 4), (5.0, 4), (-1.5, 4), (-30.0, 4), (0.0, 2)])
def test_the_rounds_of_a_race_are_known_before_it_starts(induce, first):
    for seed in range(10):
        listener, recorded = Listener(), Recorded(drawn(seed, induce=induce, kl=0.1))
        with reporting(listener):
            read = PartialScores(recorded, CELLS, Pace(first, 0.05, seed))
            race = Race(read, RULE)
            with read.progress:
                best = race.best("bypass", ("induce", "kl"))
                read.finish(race.best("bypass") if best is None else best)
        # So many rounds however many cells go on; a round is never taken back, and none is counted twice.
        assert {total for _, total in listener.counts} == {3 * len(read.pace.rounds(32))}
        assert read.progress.finished and read.progress.done == read.progress.total
        assert listener.fractions == sorted(listener.fractions) and max(listener.fractions) <= 1
        # The first rounds, in which all cells are asked, are told one by one; what one cell does to the end may be told at once.
        assert listener.counts[0][0] == 0 and 1 in {done for done, _ in listener.counts}


def test_rounds_double_and_the_last_has_all_prompts():
    pace = Pace(4, 0.05, 0)
    assert [pace.rounds(count) for count in (32, 24, 16, 9, 7, 3)] == [[4, 8, 16, 32], [4, 8, 24], [4, 8, 16], [4, 9], [7], [3]]
    assert [pace.after(count, 24) for count in (0, 4, 8, 24)] == [4, 8, 24, 24]


def test_the_error_is_that_of_dropping_the_one_cell_which_all_prompts_choose():
    """Twenty times as many bounds are looked at as races are run; the choice is missed as rarely as the pace says."""
    missed, error = 0, 0.2
    for seed in range(60):
        scores = drawn(seed, induce=1.0, kl=0.1)
        found = race_of(Recorded(scores), Pace(4, error, seed)).best("bypass", ("induce", "kl"))
        missed += found != exhaustive(scores, "bypass", ("induce", "kl"))
    assert missed <= error * 60
