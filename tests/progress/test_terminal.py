"""Words for a person who may have gone: dropped, whatever the system says, and nothing else."""

import errno
import os
import pty
import subprocess
import sys

import pytest

from anatomy.progress import terminal
from anatomy.progress.terminal import CLEAR, Unfailing, is_live, write_line, write_text


@pytest.mark.parametrize(
    "number",
    [
        errno.EIO,
        errno.EPIPE,
        errno.EBADF,
        errno.ENOSPC,
        errno.EAGAIN,
        errno.EDQUOT,
        errno.ENXIO,
        errno.EFBIG,
        errno.ESTALE,
        errno.ENODEV,
    ],
)
def test_a_write_that_the_system_refuses_is_dropped(number, monkeypatch):
    """Not all of these can be had here: the call itself refuses."""
    reader, writer = os.pipe()

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", refused)
    assert write_text(writer, "lost") is False
    monkeypatch.undo()
    assert write_text(writer, "kept") is True and os.read(reader, 10) == b"kept"
    os.close(reader)
    os.close(writer)


def test_descriptors_that_are_closed_full_or_without_a_reader():
    reader, writer = os.pipe()
    os.close(reader)
    assert write_line(writer, "nobody reads") is False
    os.close(writer)
    assert write_line(writer, "closed") is False and write_line(-1, "never open") is False
    if os.path.exists("/dev/full"):
        full = os.open("/dev/full", os.O_WRONLY)
        assert write_line(full, "no room") is False
        os.close(full)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_nobody_empties_holds_up_nobody(blocking, monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    said = 0
    while write_text(writer, "x" * 4096) and said < 1000:
        said += 1
    assert 0 < said < 1000
    monkeypatch.setattr(terminal, "PATIENCE", 3600.0)
    assert write_text(writer, "not waited for again") is False
    os.read(reader, 65536)
    assert write_text(writer, "again") is True
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(("encoding", "bytes_"), [("utf-8", "…ü".encode()), ("latin-1", b"?\xfc"), ("ascii", b"??")])
def test_characters_that_the_terminal_lacks_are_replaced(encoding, bytes_):
    reader, writer = os.pipe()
    assert write_text(writer, "…ü", encoding) and os.read(reader, 10) == bytes_
    os.close(reader)
    os.close(writer)


def test_a_live_terminal_s_line_is_cleared_first_and_a_dumb_one_s_is_not(monkeypatch):
    master, slave = pty.openpty()
    for name, live in (("xterm", True), ("dumb", False), ("", False)):
        monkeypatch.setenv("TERM", name)
        assert is_live(slave) is live
        write_line(slave, "said")
        assert os.read(master, 100).decode() == f"{CLEAR if live else ''}said\r\n"
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path, streams):
    """Else what is printed lands in it."""
    code = (
        "import sys; from anatomy.progress.terminal import let_output_go; let_output_go(); "
        f"file = open({str(tmp_path / 'file')!r}, 'w'); import os; os.write(1, b'out'); os.write(2, b'err'); "
        "print('printed'); print('printed', file=sys.stderr); file.write('own'); "
        "import subprocess; subprocess.run(['sh', '-c', 'echo child; echo child >&2'], check=True)"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-c", code],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0 and (tmp_path / "file").read_text() == "own"


def test_printing_into_a_broken_pipe_ends_no_program_and_leaves_a_good_exit_status():
    """Also at the end, when Python empties its buffers."""
    code = (
        "import sys; from anatomy.progress.terminal import let_output_go; let_output_go(); sys.stdin.read()\n"
        "for number in range(10_000): print('line', number)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b"" and process.wait() == 0


def test_a_stream_for_libraries_does_what_they_expect(tmp_path):
    with open(tmp_path / "out", "w", encoding="utf-8") as file:
        stream = Unfailing(file)
        assert stream.write("text\n") == 5 and not stream.isatty() and stream.fileno() == file.fileno() and stream.writable()
        print("more", file=stream, flush=True)
        assert stream.encoding == "utf-8"
    assert (tmp_path / "out").read_text() == "text\nmore\n"
