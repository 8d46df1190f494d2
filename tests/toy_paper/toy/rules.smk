# The toy paper, from prompt pairs to a figure: extract → make_edit (a mask, by score) → evaluate, judge (test) → claims, figure, page


use rule make_edit as toy_make_edit with:
    input:
        model=AT.model("{model}"),
        directions=AT.stage("extract", "{model}", "card.json"),
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
