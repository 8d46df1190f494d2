"""Settings before vLLM is imported, and builds that do not fit the machine."""

import subprocess
import sys

import pytest

from anatomy.errors import ConfigError
from anatomy.serving.environment import check_hardware, gpu_allocation, installed_set, prepare_environment


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def answering_driver(monkeypatch, listing: str, code: int = 0):
    monkeypatch.setattr("shutil.which", lambda name: "/bin/nvidia-smi")
    monkeypatch.setattr("subprocess.run", lambda *a, **k: subprocess.CompletedProcess(a, code, stdout=listing))


def test_cpu_build_stops_where_a_gpu_was_allocated(monkeypatch, no_driver):
    monkeypatch.setenv("ANATOMY_SET", "cpu")
    assert check_hardware() == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES=0,1"):
        check_hardware()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert check_hardware() == "cpu"


def test_driver_counts_unless_devices_are_hidden(monkeypatch, no_driver):
    answering_driver(monkeypatch, "GPU 0: Some Card (UUID: x)\n")
    assert "GPU 0" in gpu_allocation()
    monkeypatch.setenv("ANATOMY_SET", "cpu")
    with pytest.raises(ConfigError, match="nvidia-smi lists GPU 0"):
        check_hardware()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpu_allocation() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    answering_driver(monkeypatch, "NVIDIA-SMI has failed\n", code=9)
    assert gpu_allocation() is None


def test_cuda_build_stops_without_a_gpu(monkeypatch, no_driver):
    monkeypatch.setenv("ANATOMY_SET", "cuda")
    with pytest.raises(ConfigError, match="no GPU for this job"):
        check_hardware()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert check_hardware() == "cuda"


def test_set_is_read_off_torch_where_not_declared(monkeypatch):
    monkeypatch.delenv("ANATOMY_SET", raising=False)
    monkeypatch.setattr("anatomy.serving.environment.version", lambda name: "2.13.0+cpu")
    assert installed_set() == "cpu"
    monkeypatch.setattr("anatomy.serving.environment.version", lambda name: "2.13.0")
    assert installed_set() == "cuda"


def test_settings_are_made_once_and_never_changed_under_vllm(monkeypatch):
    import os

    # monkeypatch restores what prepare_environment writes.
    from anatomy.serving.environment import CPU_REQUIRED, PREFERRED, REQUIRED

    for name in (*REQUIRED, *CPU_REQUIRED, *PREFERRED, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "unset"))
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "INFO")
    monkeypatch.setenv("ANATOMY_SET", "cuda")
    monkeypatch.delenv("TORCH_COMPILE_DISABLE")
    prepare_environment(2)
    assert "TORCH_COMPILE_DISABLE" not in os.environ, "a GPU build compiles"
    monkeypatch.setenv("ANATOMY_SET", "cpu")
    prepare_environment(2)
    assert os.environ["OMP_NUM_THREADS"] == "2" and os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert os.environ["VLLM_LOGGING_LEVEL"] == "INFO"
    monkeypatch.setitem(sys.modules, "vllm", object())
    prepare_environment(2)
    with pytest.raises(ConfigError, match="'OMP_NUM_THREADS': '2'"):
        prepare_environment(1)
    with pytest.raises(ConfigError, match="0 threads"):
        prepare_environment(0)


def test_light_modules_import_without_heavy_ones():
    code = (
        "import sys, anatomy.serving.environment, anatomy.serving.engine, anatomy.serving.decoding;"
        "print(sorted({'torch', 'vllm', 'transformers', 'lm_eval'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
