"""Fixtures shared by all tests."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
from lanes import LaneScheduling, assign_lanes, threads, workers
from papers_run import run_papers
from quick_run import Run
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.models.machine.gpu_locks import GRANTED, visible_gpus
from anatomy.store.files import write_json

# The processes of the suite share what GPUs there are: their models are tiny.
os.environ.setdefault(GRANTED, ",".join(visible_gpus()))

if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes that share cores and compute with all of them wait for each other more than they compute.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads(int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config, items):
    lanes = assign_lanes(items)
    if hasattr(config, "workerinput"):
        write_json(Path(config.workerinput["lanes"]), lanes)


def pytest_xdist_auto_num_workers(config):
    return workers(config.invocation_params.args)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["lanes"] = str(lanes_file(node.config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return LaneScheduling(config, log, lanes_file(config))


def lanes_file(config) -> Path:
    """Where the processes of this call write which test belongs to which lane."""
    if not hasattr(config, "lanes_folder"):
        config.lanes_folder = tempfile.TemporaryDirectory(prefix="lanes-")
    return Path(config.lanes_folder.name) / "lanes.json"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real public files beside the checkout; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real public files are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """Folder of a tiny random model; a test that harms it works on a copy."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """The same model in memory, for every test: whoever edits it puts it back."""
    return load_tiny_model(tiny_folder)


@pytest.fixture(scope="session")
def own_run(tmp_path_factory) -> Path:
    """The folder of a finished study of one's own (a random model of two blocks); whoever harms it works on a copy.

    ``ANATOMY_TEST_OWN_RUN`` names a folder to keep it in between calls.
    """
    from own_study import call, make_own_study

    kept = os.environ.get("ANATOMY_TEST_OWN_RUN")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("own")
    if not (folder / "mine.yaml").exists():
        make_own_study(folder)
    call(folder, check=True)
    return folder


@pytest.fixture(scope="session")
def papers_run(finished, tmp_path_factory) -> Run:
    """The quick run with most papers that are built in, finished; nobody harms it. PASTA's takes as long: ``test_pasta_run``."""
    return run_papers(finished, tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Run:
    """The quick run, finished: the organism is grown once for every test that needs a real result.

    ``ANATOMY_TEST_RUN`` names a folder to keep it in between calls: Snakemake then redoes only what has changed.
    """
    kept = os.environ.get("ANATOMY_TEST_RUN")
    run = Run(Path(kept) if kept else tmp_path_factory.mktemp("quick"))
    run.folder.mkdir(parents=True, exist_ok=True)
    run.call()
    return run
