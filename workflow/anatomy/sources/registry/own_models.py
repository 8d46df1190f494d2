"""Where a model of one's own lies: its folder, the hub's cache, or the folder that it was converted or trained into."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.judging import ModelJudge
from anatomy.config.schema import Config
from anatomy.config.study import Layout
from anatomy.config.subjects import Model
from anatomy.errors import ModelError
from anatomy.sources.registry.hub_models import HubModel, local_snapshot
from anatomy.sources.registry.packaged_files import PackagedFile, local_packaged


def gguf_path(config: Config, source: Model) -> Path:
    """The GGUF file of a model that is converted.

    Raises:
        ModelError: the packages that carry it have not been fetched, or there is no such file.
    """
    if source.packages:
        return local_packaged(config.data, PackagedFile.of(source))
    assert source.gguf is not None
    path = Path(source.gguf)
    if not path.is_file():
        raise ModelError(
            found="a folder" if path.is_dir() else "no such file",
            expected="a GGUF file",
            where=str(Path.cwd() / path),
            remedy="mend the path, which is relative to the folder of the run",
        )
    return path


def folder_here(config: Config, name: str, source: Model | ModelJudge) -> Path:
    """The folder that jobs read a model from.

    Args:
        name: the model's id in the configuration.

    Raises:
        ModelError: it has not been fetched, or not been converted or trained yet.
    """
    if source.folder is not None:
        return Path(source.folder)
    if isinstance(source, Model) and (source.is_converted or source.tuned):
        at = Layout(config.results)
        folder = Path(at.converted_folder(name) if source.is_converted else at.tuned_folder(name))
        if not folder.is_dir():
            raise ModelError(
                found="not converted yet" if source.is_converted else "not trained yet",
                expected=f"a model folder made {'of the GGUF file' if source.is_converted else 'by training'}",
                where=str(folder),
                remedy="run the stage that makes it: snakemake does before anything reads the model",
            )
        return folder
    return local_snapshot(HubModel.of(source), config.data.mirror)
