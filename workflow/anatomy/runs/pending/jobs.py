"""Jobs that Snakemake would run now, with its own reasons. The one module that asks Snakemake from the inside.

It does so in a process of its own: Snakemake leaves objects in the modules of the process that it plans in, over which other
libraries stumble.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anatomy.errors import ConfigError
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class PendingJob:
    """One job of the plan.

    Attributes:
        rule: its rule.
        wildcards: their values.
        outputs: files it makes.
        missing: outputs that are not there and are needed.
        incomplete: outputs that a killed job left behind.
        newer_inputs: files that changed after the outputs were made.
        waiting_for: inputs that another pending job makes.
        inputs_differ: whether it was made from other files than it would be now.
        before: parameters of the last run that the next does not have (values; a stage's fingerprint is a string).
        now: parameters of the next run that the last did not have.
        threads: cores it takes.
        resources: of the job, such as ``mem_mb``.
        local: whether it is a step of the controller (a target, a card).
    """

    rule: str
    wildcards: dict[str, str]
    outputs: tuple[str, ...]
    missing: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    newer_inputs: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    inputs_differ: bool = False
    before: tuple[Any, ...] = ()
    now: tuple[Any, ...] = ()
    threads: int = 1
    resources: JsonObject = field(default_factory=dict)
    local: bool = False


def pending_jobs(snakefile: Path, config: JsonObject, targets: Sequence[str] = ()) -> list[PendingJob]:
    """The jobs between what is there and what is asked for, in the working directory; nothing is run or locked.

    Args:
        config: the whole configuration, as Snakemake would read it from a file.
        targets: files or target rules; the Snakefile's first rule where empty.

    Raises:
        ConfigError: the workflow cannot be planned, such as for a missing input.
    """
    asked = json.dumps({"snakefile": str(snakefile), "config": config, "targets": list(targets)})
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "anatomy.runs.pending.jobs"],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "ANATOMY_STANDING": ""},
    )  # the paths are the run's already
    if done.returncode:
        raise ConfigError(
            found=done.stderr.strip() or f"exit status {done.returncode}",
            where=str(snakefile),
            expected="a workflow that can be planned",
            remedy="mend what the message names, then ask again",
        )
    return [_read(job) for job in json.loads(done.stdout.splitlines()[-1])]


def _read(job: JsonObject) -> PendingJob:
    values: JsonObject = {name: tuple(value) if isinstance(value, list) else value for name, value in job.items()}
    return PendingJob(**values)


def planned_here(snakefile: Path, config: JsonObject, targets: Sequence[str]) -> list[PendingJob]:
    """The jobs, planned in this process."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    triggers = frozenset({RerunTrigger.MTIME, RerunTrigger.PARAMS, RerunTrigger.INPUT})
    with contextlib.redirect_stderr(io.StringIO()), SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1), snakefile=Path(snakefile), config_settings=ConfigSettings(config=config)
        )
        plan = workflow.dag(DAGSettings(targets=set(targets), rerun_triggers=triggers, force_incomplete=True))
        plan.execute_workflow(executor="dryrun")
        dag = workflow._workflow.dag
        return sorted(
            (described(job, dag.reason(job)) for job in dag.needrun_jobs(exclude_finished=False)),
            key=lambda job: (job.rule, job.outputs),
        )


def described(job: Any, reason: Any) -> PendingJob:
    """A job of Snakemake with its reason as plain data."""
    changed = reason.params_changed or None
    local = bool(job.is_local)
    return PendingJob(
        rule=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        outputs=strings(job.output),
        missing=strings(reason.missing_output),
        incomplete=strings(reason.incomplete_output),
        newer_inputs=strings(set(reason.updated_input) - set(reason.updated_input_run)),
        waiting_for=strings(reason.updated_input_run),
        inputs_differ=bool(reason.input_changed),
        before=() if changed is None else values(changed.only_old),
        now=() if changed is None else values(changed.only_new),
        threads=int(job.threads),
        local=local,
        resources={name: value for name, value in job.resources.items() if name not in ("_cores", "_nodes", "tmpdir")},
    )


def strings(files: Any) -> tuple[str, ...]:
    """Paths as sorted strings."""
    return tuple(sorted(map(str, files or ())))


def values(literals: Any) -> tuple[Any, ...]:
    """Snakemake keeps parameters as Python literals; what cannot be read as one stays text."""
    found = []
    for literal in sorted(map(str, literals)):
        try:
            found.append(ast.literal_eval(literal))
        except (ValueError, SyntaxError):
            found.append(literal)
    return tuple(found)


def main() -> int:
    """Answer one question from standard input: the last line of the answer is a list of jobs."""
    asked = json.load(sys.stdin)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            jobs = planned_here(Path(asked["snakefile"]), asked["config"], asked["targets"])
    except Exception as error:
        print(str(error).strip() or type(error).__name__, file=sys.stderr)
        return 1
    print(json.dumps([asdict(job) for job in jobs], default=str))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
