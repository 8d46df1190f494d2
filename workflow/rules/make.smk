# Edits that a paper makes by scoring a model's weights or by training, saved as data. No paper makes one by this rule as it stands:
# rules/papers/<paper>.smk names the maker, what it reads and what the edit is called.


rule make_edit:
    input:
        model=AT.model("{model}"),
        prompts=lambda wildcards: prompt_tables(wildcards.model),
    output:
        edit=AT.stage("edit", "{model}", "{paper}.{edit}.json"),
    log:
        AT.stage("edit", "{model}", "{paper}.{edit}.log"),
    benchmark:
        AT.stage("edit", "{model}", "{paper}.{edit}.tsv")
    wildcard_constraints:
        paper=NOBODY,
    priority: 30
    threads: threads_of("make_edit")
    resources:
        **needs("make_edit"),
    params:
        name="",
        maker="",
        told={},
        seed=0,
        options={},
        subject=lambda wildcards: vars(EVERYONE[wildcards.model]),
        code=stage_fingerprint("make_edit"),
    script:
        f"{SCRIPTS}/make_edit.py"


def making(paper, edit, maker, *sections, seed=0, unread=()):
    """Parameters of a paper's edit: its name among the edits of a model, its maker (module:function), and the options it reads.

    ``unread``: options of the paper's section that its maker goes without.
    """
    code = maker.partition(":")[0]
    return {
        "name": f"{paper}.{edit}",
        "maker": maker,
        "told": {},
        "seed": seed,
        "options": options(CONFIG, paper, "results", *sections, without={paper: unread}),
        "subject": lambda wildcards: vars(EVERYONE[wildcards.model]),
        "code": [stage_fingerprint("make_edit"), stage_fingerprint(code)],
    }
