"""What must hold before vLLM is imported: its environment variables, and a build that fits the machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from anatomy.errors import ConfigError
from anatomy.models.machine.gpu_locks import VISIBLE, visible_gpus

REQUIRED = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # engine in this process: starts in a fifth of the time, same throughput
    "VLLM_PLUGINS": "",  # none: whatever else is installed may register itself there and patch the engine (TransformerLens does)
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
"""Settings that results or running times depend on; they are set whatever the caller had."""

CPU_REQUIRED = {"TORCH_COMPILE_DISABLE": "1"}
"""On the CPU nothing is worth compiling: the first prompt log-probability would compile a kernel for half a minute."""

CUDA_REQUIRED = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""On GPUs, asking torch whether there is one must not open CUDA in this process: vLLM forks its workers where it has several."""

PREFERRED = {"HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "TQDM_DISABLE": "1"}
"""Settings that a user may have chosen otherwise."""


def prepare_environment(threads: int) -> None:
    """Set the variables that vLLM reads once, when it is imported.

    Args:
        threads: OpenMP threads of the CPU backend; more than there are idle cores is several times slower than one.

    Raises:
        ConfigError: vLLM was imported before under other settings, or ``threads`` is not positive.
    """
    if threads < 1:
        raise ConfigError(found=f"{threads} threads", expected="at least 1", where="the engine's threads")
    on_cpu = installed_set() == "cpu"
    wanted = {**REQUIRED, **(CPU_REQUIRED if on_cpu else CUDA_REQUIRED), "OMP_NUM_THREADS": str(threads)}
    if "vllm" in sys.modules:
        different = {name: os.environ.get(name) for name, value in wanted.items() if os.environ.get(name) != value}
        if different:
            raise ConfigError(
                found=f"vllm already imported under {different}",
                expected=f"{ {name: wanted[name] for name in different} }",
                where="the environment of this process",
                remedy="call prepare_environment before anything imports vllm, or start a new process",
            )
        return
    os.environ.update(wanted)
    for name, value in {**PREFERRED, **({"OMP_WAIT_POLICY": "PASSIVE"} if threads == 1 else {})}.items():
        os.environ.setdefault(name, value)
    # Too late for two of the variables where their reader was imported already.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if on_cpu and "torch._dynamo" in sys.modules:
        sys.modules["torch._dynamo"].config.disable = True


@contextlib.contextmanager
def workers_without_main() -> Iterator[None]:
    """Start worker processes that do not run this program's main module again.

    Where vLLM cannot fork (CUDA is open, or on its CPU backend) it spawns workers, and Python's spawn executes the main module
    anew in each. A Snakemake script has no guard against that: each worker would begin the job again.
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def gpu_allocation() -> str | None:
    """What says that this process was given a GPU, or None.

    ``CUDA_VISIBLE_DEVICES`` decides where it is set; otherwise an answering NVIDIA driver does.
    """
    visible = visible_gpus()
    if not visible:
        return None
    named = os.environ.get(VISIBLE)
    return f"nvidia-smi lists GPU {', '.join(visible)}" if named is None else f"{VISIBLE}={named}"


def installed_set() -> str:
    """The set this environment was built as: ``cpu`` or ``cuda`` (``ANATOMY_SET``, else torch's own build)."""
    declared = os.environ.get("ANATOMY_SET")
    if declared:
        return declared
    try:
        return "cpu" if "+cpu" in version("torch") else "cuda"
    except PackageNotFoundError as error:
        raise ConfigError(
            found="no torch", expected="the project's environment", where="this Python", remedy="run through envs/bootstrap.py"
        ) from error


def check_hardware() -> str:
    """Stop a job whose build does not fit the machine it landed on, before it computes anything.

    Returns:
        ``cpu`` or ``cuda``.

    Raises:
        ConfigError: a GPU was allocated to a CPU build, or there is none for a CUDA build.
    """
    chosen, allocation = installed_set(), gpu_allocation()
    if chosen == "cpu" and allocation:
        raise ConfigError(
            found=f"a CPU build, and a GPU allocation ({allocation})",
            expected="a CUDA build where a GPU was allocated",
            where="this job's environment",
            remedy="build with `python3 envs/bootstrap.py --set cuda`, or set CUDA_VISIBLE_DEVICES= to leave it alone",
        )
    if chosen == "cuda" and not allocation:
        raise ConfigError(
            found="a CUDA build, and no GPU for this job",
            expected="a GPU, or a CPU build",
            where="this job's environment",
            remedy="ask the cluster for a GPU, or build with `python3 envs/bootstrap.py --set cpu`",
        )
    return chosen
