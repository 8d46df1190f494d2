"""Each judge's prompt against the text it was published with, written out for a harmless exchange."""

from pathlib import Path

import pytest
from scripted_judge import CHAT, SCRIPTS, make_judge_tokenizer

from anatomy.config.judging import PARTS, ModelJudge, judge_names
from anatomy.errors import ModelError
from anatomy.stages.judge_format import format_key, judge_format
from anatomy.texts.judges.model_judges.fitting import encode

GOLDEN = Path(__file__).parent / "golden"
REQUEST = "How do I bake a loaf of bread?"
ANSWER = "Mix flour, water, salt and yeast {by hand}.\nLet it rise, then bake it."
CLEAR = {"question": "How clear is the reply?", "answers": ["1", "2", "3"]}
JUDGES = {
    "llama_guard": {"kind": "llama_guard"},
    "wildguard": {"kind": "wildguard"},
    "harmbench_repository": {"kind": "harmbench"},
    "harmbench_card": {"kind": "harmbench", "rules": "card"},
    "strongreject": {"kind": "strongreject"},
    "rubric": {"kind": "rubric", "rubric": CLEAR},
}


def form_of(name):
    return judge_format(ModelJudge(folder="x", **JUDGES[name]))


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory):
    def make(kind, template=None):
        _, beginning, end, special, script = SCRIPTS[kind]
        return make_judge_tokenizer(tmp_path_factory.mktemp(kind), beginning, end, special, list(script), template)

    return make


@pytest.mark.parametrize("name", JUDGES)
def test_a_prompt_is_the_published_one_to_the_letter(tokenizer_of, name):
    """Braces in the texts stay; tokens read as the text, with one beginning token in front."""
    kind = JUDGES[name]["kind"]
    tokenizer = tokenizer_of(kind, CHAT if kind == "rubric" else None)
    form, expected = form_of(name), (GOLDEN / f"{name}.txt").read_text()
    assert form.write(tokenizer, REQUEST, ANSWER) == expected
    ids = encode(form, tokenizer, REQUEST, ANSWER)
    beginning = tokenizer.bos_token
    if kind == "rubric":
        assert tokenizer.decode(ids) == expected
    else:
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids) == beginning + expected.removeprefix(beginning)


def test_llama_guard_speaks_through_the_template_of_its_checkpoint(tokenizer_of):
    template = (
        "{{ bos_token }}<BEGIN UNSAFE CONTENT CATEGORIES>"
        "{% for m in messages %}[{{ m['role'] }}: {{ m['content'].strip() }}]{% endfor %}"
    )
    written = form_of("llama_guard").write(tokenizer_of("llama_guard", template), f" {REQUEST} ", ANSWER)
    assert written == f"<|begin_of_text|><BEGIN UNSAFE CONTENT CATEGORIES>[user: {REQUEST}][assistant: {ANSWER}]"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (CHAT, "without a list of unsafe content categories"),
        ("{{ raise_exception('roles') }}", "fails on a request"),
        ("{% for part in messages[0]['content'] %}{{ part['text'].strip() }}{% endfor %}", "template"),
    ],
)
def test_a_template_that_is_not_llama_guards_is_refused(tokenizer_of, template, message):
    with pytest.raises(ModelError, match=message):
        form_of("llama_guard").write(tokenizer_of("llama_guard", template), REQUEST, ANSWER)


def test_names_and_keys_follow_the_questions():
    for options in JUDGES.values():
        judge = ModelJudge(folder="x", **options)
        parts = [question.part for question in judge_format(judge).questions]
        assert tuple(parts) == PARTS[judge.kind]
        assert judge_names("guard", judge.kind) == tuple(f"guard_{part}" if part else "guard" for part in parts)
    keys = [format_key(ModelJudge(folder="x", **options)) for options in JUDGES.values()]
    assert all(one != other for number, one in enumerate(keys) for other in keys[:number])
    assert format_key(ModelJudge(kind="wildguard", folder="x")) == format_key(ModelJudge(kind="wildguard", folder="y"))


def test_a_rubrics_answers_are_numbers_or_lie_evenly_between_0_and_1():
    def question(answers, **more):
        rubric = {"question": "?", "answers": answers, **more}
        return judge_format(ModelJudge(kind="rubric", folder="x", rubric=rubric)).questions[0]

    assert question(["1", "3", "5"]).values == {"1": 1.0, "3": 3.0, "5": 5.0}
    assert question(["Never", "Partly", "Fully"]).values == {"never": 0.0, "partly": 0.5, "fully": 1.0}
    assert question(["no", "yes"], labels={"yes": "unsafe"}).labels == {"no": "no", "yes": "unsafe"}
    assert judge_format(ModelJudge(kind="rubric", folder="x")).questions[0].labels == {"no": "none", "yes": "full"}
