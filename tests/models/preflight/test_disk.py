"""Room on the disk, against files of the sizes that the stages write."""

from dataclasses import replace

import pytest
from architecture_models import checkpoint_of
from tiny_architectures import ARCHITECTURES

from anatomy.errors import StoreError
from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.adapter import WEIGHTS, write_adapter
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.preflight.disk import RunCounts, estimate_disk, require_disk
from anatomy.models.size import model_size

COUNTS = RunCounts(
    contrasts=2, positions=5, controls=19, adapters=30, kept_adapters=4, answers=1000, prompt_tokens=100, max_new_tokens=32
)


def test_a_run_that_is_twice_as_long_takes_twice_the_store(tiny_folder, tmp_path):
    size = model_size(Checkpoint(tiny_folder))
    once, twice = (estimate_disk(size, replace(COUNTS, answers=n), tmp_path) for n in (1000, 2000))
    assert twice.store == 2 * once.store and twice.adapters == once.adapters and twice.extraction == once.extraction
    assert once.results == once.store + once.adapters + once.extraction and once.private > once.adapters


def test_free_is_of_the_disk_that_results_will_lie_on(tiny_folder, tmp_path):
    size = model_size(Checkpoint(tiny_folder))
    estimate = estimate_disk(size, COUNTS, tmp_path / "not" / "yet" / "there")
    require_disk(estimate, "-")
    with pytest.raises(StoreError, match="free") as caught:
        require_disk(replace(estimate, free=estimate.results - 1), "results")
    assert "make room" in caught.value.remedy


MIXED = [one for one in ARCHITECTURES if one.experts]


@pytest.mark.parametrize("mixed", [None, *MIXED], ids=["dense", *(one.slug for one in MIXED)])
def test_an_adapter_is_as_large_as_the_one_that_is_written(mixed, tiny_folder, tmp_path):
    checkpoint = Checkpoint(tiny_folder) if mixed is None else checkpoint_of(mixed)
    spec = {"method": "projection", "strength": 0.5, "sign": 1}
    write_adapter(build_edit(spec, checkpoint, isotropic(checkpoint.d_model, 7)), tmp_path / "adapter", checkpoint)
    written = (tmp_path / "adapter" / WEIGHTS).stat().st_size
    header = int.from_bytes((tmp_path / "adapter" / WEIGHTS).read_bytes()[:8], "little") + 8
    estimate = estimate_disk(model_size(checkpoint), replace(COUNTS, kept_adapters=1, adapters=3), tmp_path)
    assert estimate.adapters == written - header and estimate.private == 3 * estimate.adapters
