"""What surrounds every job: its log, its threads, and how it fails."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anatomy.config.options import restore
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import AnatomyError
from anatomy.models.imports import collect_rarely
from anatomy.progress.counting import reporting
from anatomy.progress.terminal import open_standard_streams, write_line
from anatomy.recipes.configuration import config_type, type_for
from anatomy.runs.ending import end_at_once
from anatomy.runs.provenance.record import Clock, write_record
from anatomy.runs.resources.gpus import granted_gpus
from anatomy.runs.resources.killed import Kills, memory_failure, memory_words
from anatomy.runs.screen.reports import JobReporter, report_path
from anatomy.store.json_objects import JsonObject
from anatomy.store.mending import mending

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""Jobs ask no network: what they need was fetched by ``snakemake prefetch``. Set before libraries read it, at import."""


@dataclass(frozen=True)
class Job:
    """What a script hands to its stage.

    Attributes:
        gpus: identifiers of the GPUs that this job was granted.
        reporter: tells the run's controller what the job does.
    """

    name: str
    config: Config
    subject: Subject | None
    terminal: int
    gpus: tuple[str, ...] = ()
    threads: int = 1
    reporter: JobReporter | None = None

    @property
    def at(self) -> Layout:
        return Layout(self.config.results)

    @property
    def store(self) -> Path:
        return Path(self.at.store)

    def say(self, text: str) -> None:
        """One line for a person: in the log and on the terminal."""
        print(text, flush=True)
        write_line(self.terminal, f"[{self.name}] {text}")
        if self.reporter is not None:
            self.reporter.told(text)


@contextlib.contextmanager
def job_of(name: str, snakemake: Any) -> Iterator[Job]:
    """The job behind a script, with all it needs taken from Snakemake's object; finished, it leaves a record of provenance.

    Raises:
        SystemExit: as ``job``.
    """
    done = end_at_once()
    parameters, clock = snakemake.params, Clock()
    reports = report_path(Path(snakemake.config["results"]), snakemake.rule, map(str, snakemake.wildcards))
    with job(
        name,
        snakemake.log[0],
        parameters.get("options"),
        parameters.get("subject"),
        threads=max(snakemake.threads, snakemake.resources.get("computing_threads") or 1),
        gpus=snakemake.resources.get("gpu"),
        reports=reports,
        rule=snakemake.rule,
        mem_mb=snakemake.resources.get("mem_mb"),
        kind=type_for(snakemake.config),
    ) as run:
        yield run
        write_record(
            Path(snakemake.config["results"]),
            snakemake.rule,
            dict(snakemake.wildcards.items()),
            inputs=snakemake.input,
            outputs=snakemake.output,
            parameters=dict(parameters.items()),
            threads=run.threads,
            clock=clock,
        )
    done()


@contextlib.contextmanager
def job(
    name: str,
    log: str,
    options: JsonObject | None = None,
    subject: JsonObject | None = None,
    threads: int = 1,
    gpus: int | None = None,
    reports: Path | None = None,
    rule: str = "",
    mem_mb: int | None = None,
    kind: type[Config] | None = None,
) -> Iterator[Job]:
    """Run a stage: everything printed goes to its log, the terminal gets what it says and, if it fails, the reason.

    How far it is goes to a file that the run's controller reads, and now and then to the log. A terminal that has gone, or that
    takes nothing, ends no job.

    Args:
        name: what the job is called on the terminal.
        log: file that takes standard output and error, of libraries too.
        options: sections of the configuration (see ``anatomy.config.options``).
        subject: fields of the model's ``Subject``.
        threads: for numeric libraries; set before they are imported.
        gpus: how many to take; the others are hidden from this job (see ``granted_gpus``).
        reports: file of its reports (``anatomy.runs.screen.reports``).
        rule, mem_mb: its rule and the memory it asked for, for the words of a job whose memory ran out.
        kind: type of the whole configuration; None for that with the papers of this package.

    Raises:
        SystemExit: the stage failed; the reason is on the terminal and, with the traceback, in the log.
    """
    collect_rarely()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if threads == 1:  # threads that sleep at every barrier would make two slower than one
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.update(OFFLINE)
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    terminal, output = os.dup(2), os.dup(1)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    started, kills = time.perf_counter(), Kills.now()
    reporter = JobReporter(reports, lambda line: print(line, flush=True))
    config = restore(options or {}, kind or config_type(()))
    run = Job(name, config, Subject(**subject) if subject else None, terminal, threads=threads, reporter=reporter)
    try:
        with granted_gpus(gpus, run.say) as granted, reporting(reporter), mending():
            yield replace(run, gpus=granted)
        run.say(f"done in {time.perf_counter() - started:.1f} s")
    except Exception as error:
        # The log may lie on the disk whose being full is the failure: the reason must reach the terminal all the same.
        with contextlib.suppress(OSError):
            traceback.print_exc()
        reason = str(error) if isinstance(error, AnatomyError) else f"{type(error).__name__}: {error}"
        if out_of_memory := memory_failure(error, kills):
            reason += f"\nout of memory: {out_of_memory}. {memory_words(rule, mem_mb, 0)}"
            with contextlib.suppress(OSError):
                print(reason, flush=True)
        write_line(terminal, f"[{name}] failed\n{reason}\nfull log: {log}")
        raise SystemExit(1) from None
    finally:
        reporter.close()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os.dup2(output, 1)
        os.dup2(terminal, 2)
        for descriptor in (file, terminal, output):
            os.close(descriptor)
