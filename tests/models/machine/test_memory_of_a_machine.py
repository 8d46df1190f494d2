"""Memory as the operating system, a container or a scheduler grants it."""

import psutil
import pytest

from anatomy.models.machine import memory as machine
from anatomy.models.machine.memory import group_limits, memory_kills, this_machine

GIB = 2**30


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(str(text))


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    return tmp_path


def member(tmp_path, line):
    file = tmp_path / "membership"
    file.write_text(line + "\n")
    return file


def test_a_version_2_group_and_its_ancestors_limit(groups):
    stat = f"anon 1\ninactive_file {GIB}"
    write(groups / "job" / "step", memory__max="max", memory__current=GIB, memory__stat=stat)
    write(groups / "job", memory__max=8 * GIB, memory__current=3 * GIB, memory__stat=stat)
    assert list(group_limits(groups, member(groups, "0::/job/step"))) == [(8 * GIB, 2 * GIB)]


def test_a_version_1_group_limits(groups):
    write(
        groups / "memory" / "slurm",
        memory__limit_in_bytes=4 * GIB,
        memory__usage_in_bytes=GIB,
        memory__stat="total_inactive_file 0",
    )
    lines = "4:memory:/slurm\n3:cpu,cpuacct:/elsewhere\n0::/"
    assert list(group_limits(groups, member(groups, lines))) == [(4 * GIB, GIB)]


def test_a_path_of_the_host_falls_back_to_what_is_mounted(groups):
    write(groups, memory__max=2 * GIB, memory__current=GIB, memory__stat="inactive_file 0")
    assert list(group_limits(groups, member(groups, "0::/not/seen/from/inside"))) == [(2 * GIB, GIB)]


def test_no_groups_no_limits(tmp_path):
    assert list(group_limits(tmp_path, tmp_path / "absent")) == []


def test_the_smaller_of_system_and_group_counts(monkeypatch):
    monkeypatch.setattr(machine, "group_limits", lambda *_: [(2 * GIB, 2 * GIB - 5), (10**18, 0)])
    assert (this_machine().total, this_machine().free) == (2 * GIB, 5)
    monkeypatch.setattr(machine, "group_limits", lambda *_: [])
    found = this_machine()
    assert found.total == psutil.virtual_memory().total and 0 < found.free <= found.total and found.gpu is None


def test_a_gpu_is_asked_only_if_wanted(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _number: (7 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    found = this_machine(gpus=1)
    assert (found.gpu, found.gpu_free, found.gpu_total) == ("a GPU", 7 * GIB, 8 * GIB) and found.total > 0
    assert this_machine(gpus=2).gpu_free == 14 * GIB
    assert this_machine().gpu is None


def test_kills_for_want_of_memory_are_counted_by_group_and_machine(groups, tmp_path):
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgfault 12\noom_kill 7\n")
    write(groups / "job", memory__events="low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0")
    assert memory_kills(groups, member(groups, "0::/job"), vmstat) == (2, 7)
    write(groups / "memory" / "slurm", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3")
    assert memory_kills(groups, member(groups, "4:memory:/slurm\n0::/"), vmstat) == (3, 7)


@pytest.mark.parametrize("content", ["", "oom_kill", "oom_kill many", "oom_kill 1 2"])
def test_a_system_that_does_not_count_kills_is_not_asked(groups, tmp_path, content):
    write(groups / "job", memory__events=content)
    (tmp_path / "vmstat").write_text(content)
    assert memory_kills(groups, member(groups, "0::/job"), tmp_path / "vmstat") == (None, None)
    assert memory_kills(groups, tmp_path / "no membership", tmp_path / "no vmstat") == (None, None)
