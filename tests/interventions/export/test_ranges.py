import errno
import os

import pytest

from anatomy.interventions.export import ranges
from anatomy.interventions.export.ranges import copy_range, read_into


@pytest.fixture
def files(tmp_path):
    content = os.urandom(3 * 2**20 + 17)
    (tmp_path / "a").write_bytes(content)
    source, target = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    yield content, source, target
    os.close(source)
    os.close(target)


@pytest.mark.parametrize("refusal", [None, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, 524])
def test_a_range_arrives_whole_also_where_the_kernel_will_not_copy(files, monkeypatch, refusal):
    content, source, target = files
    if refusal:

        def refuse(*arguments):
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(ranges.os, "copy_file_range", refuse)
    copy_range(source, target, 5, 11, len(content) - 5)
    assert os.pread(target, len(content) + 11, 0)[11:] == content[5:]


def test_a_full_disk_is_not_taken_for_a_kernel_that_will_not_copy(files, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ranges.os, "copy_file_range", full)
    with pytest.raises(OSError, match="No space left"):
        copy_range(files[1], files[2], 0, 0, 100)


def test_a_file_that_shrank_is_an_error(files):
    with pytest.raises(EOFError, match="the file ends at byte"):
        read_into(files[1], memoryview(bytearray(100)), len(files[0]) - 50)
