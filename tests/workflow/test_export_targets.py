"""What an export would run, from dry runs: nothing is computed."""

import subprocess

import pytest
import yaml
from quick_run import Run

TARGET = "export_weak_s0_projection"


@pytest.fixture
def planned(tmp_path):
    run = Run(tmp_path)

    def plan(*arguments, **export) -> subprocess.CompletedProcess:
        (tmp_path / "overlay.yaml").write_text(yaml.safe_dump({"export": export}))
        return run.call("--dry-run", *arguments, configs=(tmp_path / "overlay.yaml",), check=False)

    return plan


def test_without_a_folder_it_fails_while_it_is_planned(planned):
    done = planned(TARGET)
    assert done.returncode and "export.to: null" in done.stdout + done.stderr


def test_with_a_folder_it_needs_the_ledger_and_pushes_only_if_a_repository_is_named(planned):
    plans = {
        name: planned(TARGET, **options)
        for name, options in {
            "export": {"to": "../out"},
            "push": {"to": "../out", "push": {"hub": "org/{model}-{family}"}},
        }.items()
    }
    for name, done in plans.items():
        assert done.returncode == 0, done.stderr
        assert {"export_pick", "rosi_claims", "pick"} <= set(done.stdout.split())
        assert ("push_export" in done.stdout) == (name == "push")


def test_the_default_run_exports_nothing(planned):
    done = planned(to="../out", push={"hub": "org/x"})
    assert done.returncode == 0 and "page" in done.stdout.split()
    assert "export_pick" not in done.stdout and "push_export" not in done.stdout
