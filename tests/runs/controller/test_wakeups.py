"""Snakemake's looks at its queue: as many as were needed, however many jobs have ended."""

import threading

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from anatomy.runs.controller.wakeups import one_wakeup_at_a_time

LONG = 3600.0


class Scheduler:
    """What a look at the queue needs of Snakemake's scheduler."""

    def __init__(self):
        self._open_jobs = threading.Semaphore(0)

    def looks_again_in(self, delay):
        JobScheduler._schedule_reevalutation(self, delay)


@pytest.fixture
def timers(monkeypatch):
    """Timers that were started, and go off when they are told to."""
    started = []

    class Timer:
        def __init__(self, delay, action, arguments=()):
            self.delay, self.go_off = delay, lambda: action(*arguments)

        def start(self):
            started.append(self)

    monkeypatch.setattr(threading, "Timer", Timer)
    return started


def test_looks_that_are_due_stand_for_those_asked_for_meanwhile(timers):
    scheduler = Scheduler()
    with one_wakeup_at_a_time():
        for _ in range(200):
            scheduler.looks_again_in(1.0)
        assert len(timers) == 1
        timers[0].go_off()
        assert scheduler._open_jobs.acquire(blocking=False) and not scheduler._open_jobs.acquire(blocking=False)
        scheduler.looks_again_in(1.0)
        assert len(timers) == 2, "the next one is put down once the first has gone off"


def test_a_sooner_look_is_not_kept_waiting_by_a_later_one(timers):
    scheduler = Scheduler()
    with one_wakeup_at_a_time():
        scheduler.looks_again_in(LONG)
        scheduler.looks_again_in(1.0)
        scheduler.looks_again_in(LONG)
        assert [timer.delay for timer in timers] == [LONG, 1.0]


def test_schedulers_do_not_wait_for_one_another_and_snakemakes_way_comes_back(timers):
    before, schedulers = JobScheduler._schedule_reevalutation, [Scheduler(), Scheduler()]
    with one_wakeup_at_a_time():
        for scheduler in schedulers:
            scheduler.looks_again_in(1.0)
        assert len(timers) == 2 and JobScheduler._schedule_reevalutation is not before
    assert JobScheduler._schedule_reevalutation is before


def test_a_look_comes_by_itself():
    scheduler = Scheduler()
    with one_wakeup_at_a_time():
        scheduler.looks_again_in(0.05)
        assert scheduler._open_jobs.acquire(timeout=30)
