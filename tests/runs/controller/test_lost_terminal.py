"""A run outlives its terminal: real terminals and pipes that go away while jobs run."""

import os
import pty
import signal
import subprocess
import termios
import time

import pytest
from waiting_study import LONGEST, check_whole, command, environment, make_waiting_study, wait_for

pytestmark = pytest.mark.workflow

FULL = "/dev/full"


@pytest.fixture
def study(tmp_path):
    return make_waiting_study(tmp_path / "study")


def on_a_terminal(study, *arguments, **variables):
    """The run as leader of a session of its own, as a shell's: returns its process id and the terminal's other end."""
    pid, other = pty.fork()
    if not pid:
        os.chdir(study)
        os.execvpe(command()[0], command(*arguments), environment(**variables))
    return pid, other


def drain(other, until):
    """Read a terminal until something is there, or it is closed; returns what was seen."""
    seen = b""
    while not until.exists():
        try:
            seen += os.read(other, 65536)
        except OSError:
            break
    return seen.decode(errors="replace")


def exit_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def started_alone(study):
    """A run in a session of its own, without a terminal, its first job begun."""
    process = subprocess.Popen(
        command(),
        cwd=study,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(study / "started")
    return process


def test_a_terminal_that_is_closed_ends_neither_run_nor_jobs(study):
    """The kernel sends SIGHUP to the session's leader and its foreground group, and every write fails from then on."""
    pid, other = on_a_terminal(study)
    drain(other, study / "started")
    os.close(other)
    (study / "go").write_text("")
    assert exit_of(pid) == 0
    check_whole(study)


def test_a_shell_that_ends_sends_its_jobs_a_hangup(study):
    """As bash does on its way out, to every process of the group."""
    process = started_alone(study)
    os.killpg(process.pid, signal.SIGHUP)
    (study / "go").write_text("")
    assert process.wait(LONGEST) == 0
    check_whole(study)


def test_a_run_that_goes_to_the_background_of_a_terminal_that_stops_writers(study):
    """``stty tostop``, Ctrl-Z, ``bg``: SIGTTOU would stop controller and jobs for ever."""
    pid, other = pty.fork()
    if not pid:  # the shell: it gives the foreground away and takes it back
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        changed = termios.tcgetattr(0)
        changed[3] |= termios.TOSTOP
        termios.tcsetattr(0, termios.TCSANOW, changed)

        def take_foreground():
            os.tcsetpgrp(0, os.getpgrp())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)

        process = subprocess.Popen(command(), cwd=study, env=environment(), process_group=0, preexec_fn=take_foreground)
        wait_for(study / "started")
        os.tcsetpgrp(0, os.getpgrp())
        (study / "go").write_text("")
        os._exit(process.wait())
    drain(other, study / "never")
    assert exit_of(pid) == 0
    check_whole(study)


def test_stopped_and_continued(study):
    """Ctrl-Z and fg do what they always do."""
    process = started_alone(study)
    os.killpg(process.pid, signal.SIGSTOP)
    (study / "go").write_text("")
    time.sleep(0.3)
    assert not (study / "results" / "part.txt").exists()
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(LONGEST) == 0
    check_whole(study)


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", f"2>{FULL}", f">{FULL} 2>{FULL}"])
def test_streams_that_are_closed_or_full_from_the_beginning(study, streams):
    if FULL in streams and not os.path.exists(FULL):
        pytest.skip("needs /dev/full")
    (study / "go").write_text("")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command()], cwd=study, env=environment(), check=False, timeout=LONGEST
    )
    assert done.returncode == 0
    check_whole(study)
    assert (study / "results" / "report.html").read_text() == "made", "no word of a terminal lands in a file"


def test_a_reader_that_leaves(study):
    """``snakemake 2>&1 | head``."""
    process = subprocess.Popen(command(), cwd=study, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(study / "started")
    process.stdout.close()
    (study / "go").write_text("")
    assert process.wait(LONGEST) == 0
    check_whole(study)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_never_reads(study, blocking):
    """A pager that nobody scrolls, Ctrl-S, a terminal that somebody made non-blocking: full after 64 KiB, or at once."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, blocking)
    process = subprocess.Popen(command("--config", "quiet=1"), cwd=study, env=environment(), stdout=writer, stderr=writer)
    os.close(writer)
    wait_for(study / "started")
    (study / "go").write_text("")
    assert process.wait(LONGEST) == 0
    os.close(reader)
    check_whole(study)


@pytest.mark.parametrize(
    "variables",
    [
        {"TERM": "dumb"},
        {"COLUMNS": "1"},
        {"COLUMNS": "2"},
        {"COLUMNS": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
    ],
    ids=lambda variables: "-".join(f"{name}={value}" for name, value in variables.items()),
)
def test_odd_terminals(study, variables):
    pid, other = on_a_terminal(study, **variables)
    seen = drain(other, study / "started")
    (study / "go").write_text("")
    seen += drain(other, study / "never")
    assert exit_of(pid) == 0
    check_whole(study)
    assert "finished: 2 jobs" in seen and "Traceback" not in seen
    if variables.get("TERM") == "dumb":
        assert "\x1b" not in seen
