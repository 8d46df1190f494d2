"""What peers do for each edit, as a program: export the edited checkpoint, load it into vLLM, generate, end.

Prints the seconds of its parts as JSON. The export is the library's own, which is faster than a load and ``save_pretrained``.
"""

import json
import shutil
import sys
import time
from pathlib import Path


def main(scratch: Path) -> None:
    began = time.perf_counter()
    asked = json.loads((scratch / "asked.json").read_text())
    from anatomy.serving.environment import prepare_environment

    prepare_environment(asked["threads"])
    import torch
    import vllm  # noqa: F401 - counted as an import

    from anatomy.interventions.export.rewrite import low_rank_rewrites
    from anatomy.interventions.export.stream import stream_checkpoint
    from anatomy.models.checkpoint import Checkpoint
    from anatomy.serving.decoding import Decoding
    from anatomy.serving.engine import Engine

    imports = time.perf_counter()
    edit, out, source = torch.load(scratch / "edit.pt"), Path(asked["out"]), Checkpoint(Path(asked["folder"]))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    stream_checkpoint(source, low_rank_rewrites(edit), out)
    exported = time.perf_counter()
    dtype = {"F32": "float32", "BF16": "bfloat16"}[source.dtype("lm_head.weight")]
    with Engine(
        out,
        dtype=dtype,
        max_model_len=asked["max_model_len"],
        seed=0,
        kv_cache_bytes=2**30,
        threads=asked["threads"],
        max_num_seqs=1024,
    ) as engine:
        loaded = time.perf_counter()
        engine.generate(asked["prompts"], Decoding(asked["new"], 0.0))
        generated = time.perf_counter()
    print(
        json.dumps(
            {"imports": imports - began, "export": exported - imports, "load": loaded - exported, "generate": generated - loaded}
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
