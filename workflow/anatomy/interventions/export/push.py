"""An exported folder to a model hub: only where the configuration names a repository."""

import json
import re
from pathlib import Path

from anatomy.errors import ExportError, GateError
from anatomy.interventions.export.folder import MARKER


def repository_name(hub: str, model: str, family: str) -> str:
    """The repository that ``hub`` means for one export: ``{model}`` and ``{family}`` filled in, only letters a hub allows."""
    fill = {key: re.sub("[^A-Za-z0-9._-]+", "-", value) for key, value in (("model", model), ("family", family))}
    return hub.format(**fill)


def push_folder(folder: Path, repository: str, *, private: bool, endpoint: str | None = None) -> str:
    """Upload a finished export in one commit; the repository is made if it is not there.

    The token is the one that ``huggingface_hub`` finds (``HF_TOKEN``, or a login).

    Returns:
        Address of the commit.

    Raises:
        GateError: the folder is no export that the gate let pass.
        ExportError: the hub refused, or cannot be reached. The folder stays as it is.
    """
    record = json.loads((folder / MARKER).read_text(encoding="utf-8")) if (folder / MARKER).is_file() else {}
    if not record.get("gate", {}).get("passed", False):
        raise GateError(
            found="no record that the gate was passed",
            expected="a folder written by the export",
            where=str(folder),
            remedy="export it first",
        )
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    hub = HfApi(endpoint=endpoint)
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        done = hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"Export of {folder.name}")
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise ExportError(
            found=f"{type(error).__name__}: {error}",
            expected="a hub that takes the upload",
            where=repository,
            remedy="check the name, the token (HF_TOKEN) and the network, then run the same target again; the export is kept",
        ) from error
    return str(done.commit_url)
