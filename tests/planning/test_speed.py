"""The cost model against a run: the default run's jobs on two CPU cores (two jobs side by side), as Snakemake timed them."""

import pytest

from anatomy.config.resources import Resources
from anatomy.planning.sizes import organism_size
from anatomy.planning.speed import START_SECONDS, JobWork, Speed, Took
from anatomy.planning.told import ERROR

PARAMETERS = organism_size("default").parameters
RECORDED = [
    # rule, tokens read and written as planned, seconds; of base, aligned, weak and uncensored-1
    ("extract", 14510, 0, 6.8), ("extract", 29019, 0, 7.4), ("extract", 29019, 0, 7.5), ("extract", 29019, 0, 8.1),
    ("localize", 174106, 9728, 29.7), ("localize", 1769329, 9728, 50.5), ("localize", 1652110, 9728, 75.5),
    ("localize", 315821, 9728, 38.6),
    ("evaluate", 21252, 18432, 22.1), ("evaluate", 86619, 30720, 29.7), ("evaluate", 307167, 264192, 65.6),
    ("evaluate", 86619, 30720, 39.1), ("evaluate", 65931, 57600, 29.8), ("evaluate", 179218, 92160, 50.3),
    ("evaluate", 510039, 442368, 99.4), ("evaluate", 179218, 92160, 54.9),
    ("measure", 23216, 24576, 10.3), ("measure", 188626, 199680, 65.2), ("measure", 23216, 24576, 10.9),
    ("measure", 23216, 24576, 10.4),
]


def job(rule, read, written=0, parameters=PARAMETERS, processors=1, on_gpu=False):
    return JobWork(rule, parameters, read, written, processors, on_gpu)


@pytest.mark.parametrize(("rule", "read", "written", "seconds"), RECORDED)
def test_each_recorded_job_is_within_the_stated_factor(rule, read, written, seconds):
    assert 1 / ERROR < Speed(Resources()).seconds(job(rule, read, written)) / seconds < ERROR


def test_all_recorded_jobs_together_are_within_a_third():
    planned = sum(Speed(Resources()).seconds(job(rule, read, written)) for rule, read, written, _ in RECORDED)
    assert 2 / 3 < planned / sum(seconds for *_, seconds in RECORDED) < 4 / 3


def test_finished_jobs_of_a_rule_correct_it_for_models_of_about_that_size():
    plain = Speed(Resources())
    finished = [Took("evaluate", PARAMETERS, 10.0, 20.0), Took("evaluate", PARAMETERS, 10.0, 5.0),
                Took("extract", PARAMETERS, 10.0, 30.0)]
    corrected = Speed(Resources(), finished)
    for rule, factor in (("evaluate", 1.0), ("extract", 3.0), ("localize", 1.0)):
        assert corrected.seconds(job(rule, 1000)) == pytest.approx(factor * plain.seconds(job(rule, 1000)))
    large = job("extract", 1000, parameters=8_000_000_000)
    assert corrected.seconds(large) == plain.seconds(large)
    assert corrected.measured(["extract", "page"]) == {"extract"}


def test_time_is_start_and_operations_at_the_rate():
    speed = Speed(Resources(gpu_teraflops=10.0, core_gigaflops=20.0, writing_share=0.5))
    difference = speed.seconds(job("measure", 2000)) - speed.seconds(job("measure", 1000))
    assert difference == pytest.approx(2 * PARAMETERS * 1000 / 20e9)
    assert speed.seconds(job("measure", 0, 500)) == pytest.approx(speed.seconds(job("measure", 1000)))
    on_two = speed.seconds(job("measure", 2000, 0, 10**9, 2, True)) - speed.seconds(job("measure", 1000, 0, 10**9, 2, True))
    assert on_two == pytest.approx(2 * 10**9 * 1000 / 20e12)
    assert speed.seconds(job("judge", 0, parameters=0)) == START_SECONDS["judge"]


def test_a_model_of_unknown_size_has_no_time():
    assert Speed(Resources()).seconds(job("evaluate", 1000, parameters=None)) is None
