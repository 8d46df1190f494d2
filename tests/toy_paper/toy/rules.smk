# The toy paper, from prompt pairs to a figure: extract → make_edit (a mask, by score) → evaluate, judge (test) → claims, figure, page


def toy_directions(model):
    """Extractions of the pruned model and of the one beside it, of the same seed."""
    beside = f"{CONFIG.toy.beside}.s{EVERYONE[model].seed}"
    return [AT.stage("extract", name, "card.json") for name in (model, beside)]


use rule make_edit as toy_make_edit with:
    input:
        model=AT.model("{model}"),
        directions=lambda wildcards: toy_directions(wildcards.model),
    output:
        edit=AT.stage("edit", "{model}", "toy.pruned.json"),
    log:
        AT.stage("edit", "{model}", "toy.pruned.log"),
    benchmark:
        AT.stage("edit", "{model}", "toy.pruned.tsv")
    threads: threads_of("toy_make_edit")
    resources:
        **needs("toy_make_edit"),
    params:
        **making("toy", "pruned", "anatomy.recipes.toy.maker:prune"),
