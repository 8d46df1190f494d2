"""A job that the system ends: why, and what to do, among the last words and in its own log."""

import json
import subprocess

import pytest
from supervised import HEAD
from waiting_study import LONGEST, command, environment, make_waiting_study

from anatomy.models.machine.memory import this_machine

pytestmark = pytest.mark.workflow


def run(study, *arguments):
    (study / "go").write_text("")
    return subprocess.run(
        command(*arguments), cwd=study, env=environment(), capture_output=True, text=True, check=False, timeout=LONGEST
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SIGKILL", "resources.rules.part.mem_mb"),
        ("SIGSEGV", "damaged installation"),
        ("SIGILL", "CPU"),
        ("SIGBUS", "/dev/shm"),
        ("SIGABRT", "gave up"),
        ("SIGTERM", "somebody asked it to end"),
    ],
)
def test_a_signal_is_named_with_its_cause(tmp_path, name, said):
    study = make_waiting_study(tmp_path / "study", then=f"import signal; os.kill(os.getpid(), signal.{name})", mem_mb=640)
    done = run(study)
    assert done.returncode == 1
    last = done.stderr[done.stderr.index("failed: 0 of 2 jobs") :]
    for place in (last, (study / "results" / "part.log").read_text()):
        assert f"ended by the system: {name}" in place and said in place
    assert done.stderr.count(f"[part] ended by the system: {name}") == 1, "told at once"
    assert last.rstrip().splitlines()[-1].startswith("when it is mended, go on with:")
    assert last.count("ended by the system") == 1
    if name == "SIGKILL":
        assert "had asked for 640 MiB" in last
    assert not list((study / "results" / "controller" / "progress").iterdir())


def test_a_job_that_fails_by_itself_is_not_said_to_be_killed(tmp_path):
    study = make_waiting_study(tmp_path / "study", then="raise ValueError('a reason of its own')")
    done = run(study)
    assert done.returncode == 1 and "a reason of its own" in done.stderr and "ended by the system" not in done.stderr


def test_memory_that_runs_out_inside_a_job_names_the_lever(tmp_path):
    study = make_waiting_study(tmp_path / "study", then="bytearray(1 << 60)")
    done = run(study)
    assert done.returncode == 1
    for place in (done.stderr, (study / "results" / "part.log").read_text()):
        assert "MemoryError" in place and "had asked for 900 MiB" in place and "resources.rules.part.mem_mb" in place


SIDE_BY_SIDE = """
rule all:
    input: expand("results/{{n}}", n=range(3))
rule one:
    output: "results/{{n}}"
    resources: mem_mb={mem_mb}
    script: "one.py"
"""


@pytest.mark.parametrize(
    ("share", "arguments", "most"), [(0.7, (), 1), (5.0, (), 1), (0.2, (), 3), (0.7, ("--resources", "mem_mb=99000000"), 3)]
)
def test_jobs_share_the_machine_s_memory(tmp_path, share, arguments, most):
    """Two that together want more than there is wait for each other; one that alone wants more runs alone; a bound that the call
    names wins."""
    body = (
        "import time\nfrom pathlib import Path\nn = snakemake.wildcards.n\n"
        "with open('seen', 'a') as file: file.write(f'+{n}\\n')\ntime.sleep(0.5)\n"
        "with open('seen', 'a') as file: file.write(f'-{n}\\n')\nPath(snakemake.output[0]).write_text('')\n"
    )
    (tmp_path / "one.py").write_text(body)
    mem_mb = int(share * (this_machine().total >> 20))
    (tmp_path / "Snakefile").write_text(HEAD + SIDE_BY_SIDE.format(mem_mb=mem_mb))
    done = subprocess.run(
        [*command(), "--cores", "3", *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    at_a_time, highest = 0, 0
    for line in (tmp_path / "seen").read_text().split():
        at_a_time += 1 if line[0] == "+" else -1
        highest = max(highest, at_a_time)
    assert highest <= most and (most == 1 or highest > 1)
    assert json.loads((tmp_path / "results" / "controller" / "run.json").read_text())["ended"]
