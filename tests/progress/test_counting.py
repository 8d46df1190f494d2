"""Counts inside counts: the outermost one's fraction holds all of them."""

import pytest
from stopped_clock import Clock

from anatomy.progress.counting import Progress, counted, duration, moving, reporting


class Listener:
    """Keeps the outermost count's fraction after each change."""

    def __init__(self):
        self.fractions, self.open = [], []

    def changed(self, open_counts, boundary):
        self.open = [count.what for count in open_counts]
        self.fractions += [open_counts[0].fraction] if open_counts else []


@pytest.fixture
def listener():
    found = Listener()
    with reporting(found):
        yield found


def test_a_line_tells_rate_tokens_and_rest():
    clock, lines = Clock(), []
    progress = Progress("score", 50, lines.append, clock=clock)
    clock.now = 2.0
    progress.advance(10, tokens=400)
    clock.now = 10.0
    progress.advance(40)
    assert lines == ["score: 10/50, 5/s, 200 tokens/s, 8 s left", "score: 50/50, 5/s, 40 tokens/s, done"]


def test_the_rate_is_that_of_the_last_minute():
    clock = Clock()
    progress = Progress("score", 10_000, clock=clock)
    for _ in range(100):
        clock.now += 1.0
        progress.advance(10)
    for _ in range(70):
        clock.now += 1.0
        progress.advance(1)
    assert progress.rates()[0] == pytest.approx(1.0, abs=0.2)


def test_slow_units_still_have_a_rate():
    clock = Clock()
    progress = Progress("score", 10, clock=clock)
    for _ in range(3):
        clock.now += 500.0
        progress.advance(1)
    assert progress.rates()[0] == pytest.approx(1 / 500)


def test_a_count_inside_a_part_is_a_share_of_that_part(listener):
    with Progress("parts", 10) as outer:
        with outer.part(6):
            for _ in counted(range(3), "inner", 3):
                pass
        assert outer.fraction == pytest.approx(0.6)
        with outer.part(4):
            for number in counted(range(4), "inner", 4):
                if number == 2:
                    assert outer.fraction == pytest.approx(0.8)
    assert listener.fractions == sorted(listener.fractions), "never backwards"
    assert listener.fractions[-1] == 1.0 or listener.open == []


def test_three_deep(listener):
    for number in counted(range(2), "one", 2):
        for other in counted(range(2), "two", 2):
            for third in counted(range(2), "three", 2):
                if (number, other, third) == (1, 1, 1):
                    assert listener.fractions[-1] == pytest.approx(7 / 8)
    assert listener.open == []


@pytest.mark.parametrize("leave", ["break", "raise", "abandon"])
def test_a_loop_that_is_left_early_leaves_no_count_open(listener, leave):
    outer = Progress("outer", 2)
    try:
        with outer.part():
            items = counted(range(5), "inner", 5)
            for _ in items:
                if leave == "break":
                    break
                if leave == "raise":
                    raise KeyError
                if leave == "abandon":
                    next(items)
                    break
    except KeyError:
        assert outer.done == 0, "a part that failed is not done"
    outer.advance()
    assert listener.open in ([], ["outer"])


def test_what_was_done_before_says_nothing_of_the_rate(listener):
    clock = Clock()
    progress = Progress("steps", 200, clock=clock)
    clock.now = 1.0
    progress.resume(100)
    clock.now = 11.0
    progress.advance(10)
    assert progress.fraction == pytest.approx(0.55) and progress.rates()[0] == pytest.approx(1.0)


def test_nothing_to_do_is_done(listener):
    for _ in counted([], "nothing", 0):
        raise AssertionError
    with Progress("nothing", 0) as progress, progress.part(0):
        pass
    assert progress.fraction == 1.0 and listener.open == []


def test_without_a_listener_counting_costs_nothing_and_keeps_nothing():
    from anatomy.progress import counting

    assert list(counted("abc", "letters", 3)) == ["a", "b", "c"]
    assert counting._open == []


def test_durations_in_words():
    assert [duration(seconds) for seconds in (5.0, 200.0, 9000.0, float("inf"))] == ["5 s", "3 min", "2.5 h", "?"]


def test_durations_that_are_seen_to_move():
    assert [moving(seconds) for seconds in (5.0, 200.0, 3725.0, float("inf"))] == ["5 s", "3 min 20 s", "1 h 02 min", "?"]
    assert moving(3725.0, seconds_too=True) == "1 h 02 min 05 s"
