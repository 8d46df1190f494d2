"""A changed definition is named, and nothing else."""

from anatomy.store.code_parts import keep_parts, kept_parts, module_parts

SOURCE = '"""Doc."""\nSCALE = 2\n\ndef scale(x):\n    """Twice."""\n    return SCALE * x\n\nclass Sum:\n    """A sum."""\n'


def changed(source):
    before, after = module_parts("anatomy.formula", SOURCE), module_parts("anatomy.formula", source)
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_words_and_layout_change_no_part():
    assert changed(SOURCE.replace("Twice", "Double").replace("\n\nclass", "\n\n# why\n\n\nclass")) == set()


def test_a_formula_changes_its_own_part():
    assert changed(SOURCE.replace("SCALE * x", "SCALE + x")) == {"anatomy.formula:scale"}


def test_a_constant_and_a_new_definition_are_told_apart():
    assert changed(SOURCE.replace("SCALE = 2", "SCALE = 3")) == {"anatomy.formula:*"}
    assert changed(SOURCE + "\ndef other():\n    return 0\n") == {"anatomy.formula:other"}


def test_parts_stay_on_record(tmp_path):
    keep_parts(tmp_path, {"0" * 16: {"b": "1", "a": "2"}})
    keep_parts(tmp_path, {"0" * 16: {"never": "written"}, "1" * 16: {}})
    assert kept_parts(tmp_path) == {"0" * 16: {"a": "2", "b": "1"}, "1" * 16: {}}
