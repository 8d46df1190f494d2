"""How far every variant of the test split moves predictions on harmless prompts: those of the engine, or a paper's in memory."""

from pathlib import Path

from anatomy.runs.job import job_of

with job_of(f"divergence {snakemake.wildcards.model}", snakemake) as run:
    import torch

    from anatomy.interventions.variant import merged
    from anatomy.recipes.asked_variants import asked_in_memory, engine_variants
    from anatomy.recipes.registry import known
    from anatomy.stages.divergence import measure_divergence
    from anatomy.stages.generation_request import at_all_positions
    from anatomy.stages.inputs import named_files
    from anatomy.stages.model_edits import ModelEdits
    from anatomy.stages.own_answers import read_refusal_tokens
    from anatomy.stages.phase import Phase, phase_variants
    from anatomy.stages.soundness import sound_extraction, sound_model
    from anatomy.store.files import read_json, write_json, write_table

    torch.set_num_threads(run.threads)
    model, given = sound_model(snakemake.input.model), named_files(snakemake.input)
    found = merged(map(read_json, given["found"]))
    if paper := snakemake.params.get("paper"):
        asked = asked_in_memory(run.config, known(snakemake.config["recipes"])[paper], run.subject, "test", found)
        phase = Phase("test", [(one.variant, list(one.edits)) for one in at_all_positions(asked) if one.edits])
    else:
        phase = phase_variants(engine_variants(run.config, run.subject, "test"), "test", 1, 0, found)
    table, cells = measure_divergence(
        run.config,
        run.subject,
        model,
        phase,
        ModelEdits(model, sound_extraction(snakemake.input.directions)),
        read_refusal_tokens(Path(given["refusal_tokens"][0]))["common_prefix"] if "refusal_tokens" in given else [],
        run.say,
    )
    out = Path(snakemake.output.table)
    write_json(out.with_suffix(".cells.json"), cells)
    write_table(out, table)
