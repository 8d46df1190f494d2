"""Snakemake writes the interpreter unquoted into a shell's command; it is named so that a shell reads it as it stands."""

import os
import subprocess
import sys

import pytest

from anatomy.runs.controller.interpreter import name_plainly

ASK = "-c 'import sys; print(sys.prefix)'"


@pytest.mark.parametrize("name", ["a b", "é", "it's", 'q"q', "$HOME", "a&b;c", "{a,b}", "*", "a\nb", "#x", "\\"])
def test_a_shell_finds_the_same_interpreter(tmp_path, monkeypatch, name):
    (tmp_path / name).symlink_to(sys.prefix, target_is_directory=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / name / "bin" / "python"))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    name_plainly()
    said = subprocess.check_output(f"{sys.executable} {ASK}", shell=True, executable="/bin/bash", text=True)
    assert said == f"{tmp_path / name}\n"


def test_a_plain_path_stays(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/environments/env-1.0/bin/python3.11")
    monkeypatch.setenv("PATH", "/bin")
    name_plainly()
    assert sys.executable == "/environments/env-1.0/bin/python3.11" and os.environ["PATH"] == "/bin"
