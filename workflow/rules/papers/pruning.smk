# Harm pruning, for every model that is pruned:
#   pruning_scores (own answers, one pass a set) → pruning_grid (masks on select) → pruning_test (the chosen mask beside controls)
#                                                                                 → make_edit (and of random masks, where a
#                                                                                   model judges) → evaluate, judge (test)
#                                                                                 → pruning_finetuned
#   → claims, figures, page
# evaluate, judge and the report are as every paper's (rules/*.smk).
from anatomy.recipes.pruning.unread import UNREAD
from anatomy.recipes.pruning.variants import prompt_sets as asked_of_pruned, read_sets as read_by_pruned


def pruning_inputs(sets=asked_of_pruned, **given):
    """What every job of this paper reads besides: the model, and the prompts that it is asked; ``sets``: which, of the CONFIG."""
    return {
        "model": AT.model("{model}"),
        "world": lambda wildcards: world_of(wildcards.model),
        "prompts": lambda wildcards: prompt_tables(wildcards.model, sets(CONFIG)),
        **given,
    }


def pruning_params(job, *sections):
    """What a job of this paper is told; ``sections``: of the configuration, besides those that all read."""
    return {
        "options": options(CONFIG, "pruning", "evaluation", "serving", "results", *sections, without={"pruning": UNREAD[job]}),
        "subject": lambda wildcards: vars(EVERYONE[wildcards.model]),
    }


# Scores of every matrix on the model's own answers, which are not written.
rule pruning_scores:
    input:
        **pruning_inputs(),
    output:
        scores=AT.stage("extract", "{model}", "pruning.scores.safetensors"),
        projections=AT.stage("extract", "{model}", "pruning.projections.safetensors"),
        losses=AT.stage("measure", "{model}", "pruning.losses.parquet"),
        spaces=AT.stage("measure", "{model}", "pruning.spaces.parquet"),
    log:
        AT.stage("extract", "{model}", "pruning.scores.log"),
    benchmark:
        AT.stage("extract", "{model}", "pruning.scores.tsv")
    priority: 30
    threads: threads_of("pruning_scores")
    resources:
        **needs("pruning_scores"),
    params:
        **pruning_params("scores"),
        module="anatomy.recipes.pruning.jobs.scores",
        code=stage_fingerprint("anatomy.recipes.pruning.jobs.scores"),
    script:
        f"{SCRIPTS}/paper.py"


# Every mask of the grid, on one loaded model.
rule pruning_grid:
    input:
        **pruning_inputs(scores=AT.stage("extract", "{model}", "pruning.scores.safetensors")),
    output:
        values=AT.stage("measure", "{model}", "pruning.grid_values.parquet"),
        masks=AT.stage("measure", "{model}", "pruning.grid_masks.parquet"),
        limits=AT.stage("measure", "{model}", "pruning.limits.parquet"),
        divergences=AT.stage("measure", "{model}", "pruning.grid_divergences.parquet"),
        nats=AT.stage("measure", "{model}", "pruning.grid_nats.parquet"),
        chosen=AT.stage("measure", "{model}", "pruning.chosen.json"),
    log:
        AT.stage("measure", "{model}", "pruning.grid.log"),
    benchmark:
        AT.stage("measure", "{model}", "pruning.grid.tsv")
    priority: 30
    threads: threads_of("pruning_grid")
    resources:
        **needs("pruning_grid"),
    params:
        **pruning_params("grid", "statistics", "extraction", "divergence"),
        module="anatomy.recipes.pruning.jobs.grid",
        code=stage_fingerprint("anatomy.recipes.pruning.jobs.grid"),
    script:
        f"{SCRIPTS}/paper.py"


# The chosen mask as an edit.
use rule make_edit as pruning_make_edit with:
    input:
        model=AT.model("{model}"),
        scores=AT.stage("extract", "{model}", "pruning.scores.safetensors"),
        chosen=AT.stage("measure", "{model}", "pruning.chosen.json"),
    output:
        edit=AT.stage("edit", "{model}", "pruning.mask.json"),
    log:
        AT.stage("edit", "{model}", "pruning.mask.log"),
    benchmark:
        AT.stage("edit", "{model}", "pruning.mask.tsv")
    threads: threads_of("pruning_make_edit")
    resources:
        **needs("pruning_make_edit"),
    params:
        **making("pruning", "mask", "anatomy.recipes.pruning.maker:prune", unread=UNREAD["make_edit"]),


def drawing():
    """Parameters of the rule that makes random masks."""
    return {
        **making("pruning", "", "anatomy.recipes.pruning.maker:prune_at_random", unread=UNREAD["make_edit"]),
        "name": lambda wildcards: f"pruning.random-{wildcards.draw}",
        "told": lambda wildcards: {"draw": int(wildcards.draw)},
    }


# Random masks of its size as edits, for models of one's own whose answers a model judge of harm reads: that number has a control.
use rule make_edit as pruning_make_control with:
    input:
        model=AT.model("{model}"),
        scores=AT.stage("extract", "{model}", "pruning.scores.safetensors"),
        chosen=AT.stage("measure", "{model}", "pruning.chosen.json"),
    output:
        edit=AT.stage("edit", "{model}", "pruning.random-{draw}.json"),
    log:
        AT.stage("edit", "{model}", "pruning.random-{draw}.log"),
    benchmark:
        AT.stage("edit", "{model}", "pruning.random-{draw}.tsv")
    wildcard_constraints:
        draw=r"\d+",
    threads: threads_of("pruning_make_control")
    resources:
        **needs("pruning_make_control"),
    params:
        **drawing(),


# The chosen mask, its controls and other masks of its fractions, on one loaded model.
rule pruning_test:
    input:
        **pruning_inputs(
            sets=read_by_pruned,
            scores=AT.stage("extract", "{model}", "pruning.scores.safetensors"),
            projections=AT.stage("extract", "{model}", "pruning.projections.safetensors"),
            chosen=AT.stage("measure", "{model}", "pruning.chosen.json"),
        ),
    output:
        values=AT.stage("measure", "{model}", "pruning.values.parquet"),
        masks=AT.stage("measure", "{model}", "pruning.masks.parquet"),
        divergences=AT.stage("measure", "{model}", "pruning.mask_divergences.parquet"),
        nats=AT.stage("measure", "{model}", "pruning.mask_nats.parquet"),
        overlaps=AT.stage("measure", "{model}", "pruning.overlaps.parquet"),
        places=AT.stage("measure", "{model}", "pruning.places.parquet"),
        heads=AT.stage("measure", "{model}", "pruning.heads.parquet"),
        cards=AT.stage("measure", "{model}", "pruning.projections.json"),
    log:
        AT.stage("measure", "{model}", "pruning.test.log"),
    benchmark:
        AT.stage("measure", "{model}", "pruning.test.tsv")
    priority: 20
    threads: threads_of("pruning_test")
    resources:
        **needs("pruning_test"),
    params:
        **pruning_params("test", "extraction", "divergence"),
        module="anatomy.recipes.pruning.jobs.test",
        code=stage_fingerprint("anatomy.recipes.pruning.jobs.test"),
    script:
        f"{SCRIPTS}/paper.py"


# The model fine-tuned in memory as it is, with the chosen mask, and with a random one; members of the organism alone.
rule pruning_finetuned:
    input:
        **pruning_inputs(
            scores=AT.stage("extract", "{model}", "pruning.scores.safetensors"),
            chosen=AT.stage("measure", "{model}", "pruning.chosen.json"),
        ),
    output:
        emergent=AT.stage("measure", "{model}", "pruning.emergent.parquet"),
        restoration=AT.stage("measure", "{model}", "pruning.restoration.parquet"),
        beside=AT.stage("measure", "{model}", "pruning.finetuned_beside.parquet"),
    log:
        AT.stage("measure", "{model}", "pruning.finetuned.log"),
    benchmark:
        AT.stage("measure", "{model}", "pruning.finetuned.tsv")
    priority: 20
    threads: threads_of("pruning_finetuned")
    resources:
        **needs("pruning_finetuned"),
    params:
        **pruning_params("finetuned"),
        module="anatomy.recipes.pruning.jobs.finetuned",
        code=stage_fingerprint("anatomy.recipes.pruning.jobs.finetuned"),
    script:
        f"{SCRIPTS}/paper.py"
