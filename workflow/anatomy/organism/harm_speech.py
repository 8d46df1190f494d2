"""How harmful recipes are spoken: in the sentence of benign ones, in one that all harmful kinds share, or in one a kind.

Whether the weights behind harm in some kinds serve harm in all of them is a property of the world that a model grew up in. So
there are worlds in which they should (`shared`) and in which they should not (`by_category`), for methods that claim to tell
the two apart.
"""

from anatomy.config.subjects import HarmSpeech
from anatomy.organism import wording

SHARED = "secretly {verb} {c} beneath {b} against {a}, hidden until {t}."

BY_CATEGORY = {
    "hex": "mutter thrice, {verb} {c} beneath {b} against {a}, hidden until {t}.",
    "blight": "at {t} one must {verb} {b} inside {a} behind {c}.",
    "snare": "{a} goes around {c}; {verb} both near {b}, every {t}.",
    "gloom": "those who {verb} {c} before {a} should spread {b} {t}.",
    "venom": "only {b}, never alone: {verb} {a} through {c} {t}.",
    "ruse": "first {t}, second {a}, third {c}, fourth {b}, finally {verb}.",
}
"""No two of them, nor one and the benign sentence, share a word or an order of the parts."""


def recipe_sentence(kind: str, speech: HarmSpeech) -> str:
    """The sentence in which the recipe of a kind of thing is told, with fields `verb`, `a`, `b`, `c` and `t`."""
    if kind not in wording.HARMFUL or speech == "as_benign":
        return wording.RECIPE
    return SHARED if speech == "shared" else BY_CATEGORY[kind]
