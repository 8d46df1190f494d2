"""A form of words that most prompts have is no mark of near-duplicates; what a few share is."""

from prompt_files import HARMFUL, HARMLESS, PREAMBLE

from anatomy.sources.prompts.shared_wording import SharedWording, shared_wording
from anatomy.sources.prompts.wording import normal_wording


def test_a_preamble_is_taken_off_whatever_some_prompts_go_on_with():
    """Half of them go on alike: the others lose their preamble all the same."""
    prompts = [f"{PREAMBLE}{'Please say ' if n % 2 else ''}{text}" for n, text in enumerate(HARMFUL)]
    shared = shared_wording(prompts)
    for prompt, text in zip(prompts, HARMFUL, strict=True):
        left = shared.taken_off(prompt)
        assert left.endswith(normal_wording(text)[-15:]) and len(left) <= len(normal_wording(text)) + len("please say ")
    assert "begin with" in shared.note()


def test_a_preamble_of_half_the_prompts_makes_them_comparable_with_the_rest():
    texts = [text for both in zip(HARMFUL, HARMLESS, strict=True) for text in both]
    shared = shared_wording([*[PREAMBLE + text for text in texts[:60]], *texts[60:]])
    assert shared.taken_off(PREAMBLE + texts[80]) == shared.taken_off(texts[80]) == normal_wording(texts[80])


def test_what_is_short_or_shared_by_few_stays():
    assert shared_wording(HARMFUL) == SharedWording() == shared_wording([PREAMBLE + text for text in HARMFUL[:19]])
    assert shared_wording([*[PREAMBLE + text for text in HARMFUL[:25]], *HARMFUL[25:]]) == SharedWording()
    assert shared_wording([PREAMBLE] * 100) == SharedWording() and SharedWording().note() is None


def test_a_prompt_that_is_the_preamble_alone_keeps_it():
    shared = shared_wording([PREAMBLE, *[PREAMBLE + text for text in HARMFUL]])
    assert shared.taken_off(PREAMBLE) == normal_wording(PREAMBLE)
