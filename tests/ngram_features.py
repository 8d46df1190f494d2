"""An embedding that is no language model, for tests of measures that need one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class NgramFeatures:
    """Hashed word n-grams of one and two words, of unit length: an embedding that is no language model."""

    width: int = 1024

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "text feature"]:
        """One vector a text, fp64."""
        from sklearn.feature_extraction.text import HashingVectorizer

        pattern = r"(?u)[\w']+|[^\w\s]"
        vectorizer = HashingVectorizer(ngram_range=(1, 2), n_features=self.width, token_pattern=pattern, alternate_sign=False)
        return vectorizer.transform(list(texts)).toarray()
