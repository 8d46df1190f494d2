"""Linear probes: how well a stream tells two kinds of prompt apart, and what would have told them apart without it.

Decodable is not used: a probe says that the information is there (dossier, section 4g). Beside each stand the same probe on
labels that are shuffled among groups (selectivity, Hewitt and Liang 2019), a bag of words, prompts of equal length, and prompts
of sources and categories that the probe has not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from anatomy.errors import DataError

Features = Float[ndarray, "prompt d_model"]
Labels = Bool[ndarray, " prompt"]
Scores = Float[ndarray, " scored"]
Fit = Callable[[Features, Labels, Float[ndarray, "scored d_model"]], Scores]
FOLDS = 5


def difference_of_means(x: Features, y: Labels, held: Float[ndarray, "scored d_model"]) -> Scores:
    """Projection on the difference of the two means, in float64: streams that are all alike have no direction of rounding."""
    x, held = x.astype(np.float64), held.astype(np.float64)
    return held @ (x[y].mean(0) - x[~y].mean(0))


def logistic(x: Features, y: Labels, held: Float[ndarray, "scored d_model"]) -> Scores:
    """Logistic regression on standardised features, scikit-learn's default penalty."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(max_iter=2000).fit(scaler.transform(x), y)
    return fitted.decision_function(scaler.transform(held))


def logistic_weights(x: Features, y: Labels) -> Float[ndarray, " d_model"]:
    """The direction along which that regression's score rises, in the features' own units."""
    ends = np.concatenate([np.zeros((1, x.shape[1])), np.eye(x.shape[1])])
    scores = logistic(x, y, ends)
    return scores[1:] - scores[0]


def sparse(count: int) -> Fit:
    """Logistic regression on the ``count`` features whose means differ most for their spread (Gurnee et al. 2023)."""

    def fit(x: Features, y: Labels, held: Float[ndarray, "scored d_model"]) -> Scores:
        spread = np.sqrt((x[y].var(0) + x[~y].var(0)) / 2)
        gap = np.abs(x[y].mean(0) - x[~y].mean(0)) / np.maximum(spread, 1e-12)
        best = np.argsort(-gap, kind="stable")[:count]
        return logistic(x[:, best], y, held[:, best])

    return fit


def probes(few: int) -> dict[str, Fit]:
    """The probes by name; ``few`` features for the sparse one."""
    return {"difference_of_means": difference_of_means, "logistic": logistic, f"sparse_{few}": sparse(few)}


def folds_of(y: Labels, groups: ndarray) -> list[tuple[ndarray, ndarray]]:
    """Rows that a probe learns on and rows that it is read on, fold by fold; no group stands on both sides.

    Raises:
        DataError: one class, or fewer than two groups a class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, *(len(np.unique(groups[y == side])) for side in (True, False)))
    if folds < 2:
        counts = [f"{int((y == side).sum())} prompts in {len(np.unique(groups[y == side]))} groups" for side in (True, False)]
        raise DataError(
            found=f"{counts[0]} of one kind and {counts[1]} of the other",
            expected="two kinds of prompt, each in at least two groups",
            where="prompts of a probe",
            remedy="add prompts of the kind that is missing; a probe is judged on groups that it has not seen",
        )
    found = list(StratifiedGroupKFold(folds).split(y, y, groups))
    if any(len(np.unique(y[seen])) < 2 for seen, _ in found):
        raise DataError(found="one kind of prompt in a fold", expected="both", where="prompts of a probe", remedy="add groups")
    return found


def held_out_scores(fit: Fit, x: Features, y: Labels, folds: Sequence[tuple[ndarray, ndarray]]) -> Scores:
    """Score of each prompt by a probe that saw no prompt of its group; standardised in each fold, whose scales differ."""
    found = np.empty(len(y))
    for seen, held in folds:
        scores = fit(x[seen], y[seen], x[held])
        train = fit(x[seen], y[seen], x[seen])
        found[held] = (scores - train.mean()) / max(train.std(), 1e-12)
    return found


def shuffled(y: Labels, groups: ndarray, seed: int) -> Labels:
    """Labels dealt anew among groups, so that what a group has in common stays in common.

    Groups of one label trade theirs; in a group of several, such as a harmful prompt and its harmless counterpart, the labels
    change places.
    """
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    of_groups, generator = y[first].copy(), np.random.default_rng(seed)
    mixed = np.unique(codes[y != of_groups[codes]])
    alone = np.setdiff1d(np.arange(len(first)), mixed)
    of_groups[alone] = generator.permutation(of_groups[alone])
    dealt = of_groups[codes]
    for group in mixed:
        inside = codes == group
        kinds, places = np.unique(y[inside], return_inverse=True)
        dealt[inside] = generator.permutation(kinds)[places]
    return dealt


def with_their_kinds(groups: ndarray, kinds: Sequence[str]) -> ndarray:
    """Groups that hold whole groups and whole kinds of prompt: what a probe has to leave out to see nothing of a kind.

    A group of several kinds, such as a harmful prompt and its harmless counterpart, keeps these together.

    Args:
        kinds: of the prompts, such as their source and category.
    """
    codes = [np.unique(np.asarray(side, dtype=str), return_inverse=True)[1] for side in (groups, kinds)]
    found, before = codes[0], np.empty(0, dtype=int)
    while not np.array_equal(found, before):
        before = found
        for own in codes:
            least = np.full(own.max() + 1, len(found))
            np.minimum.at(least, own, found)
            found = least[own]
    return np.array([f"kinds of group {number}" for number in found], dtype=object)


def bag_of_words(texts: Sequence[str], y: Labels, groups: ndarray) -> Scores:
    """Scores of a logistic regression on counts of words, by the same folds: what the wording alone tells.

    Words of one text alone tell nothing of others; where all are, every text has the same score.
    """
    seen = Counter(word for text in texts for word in set(text.lower().split()))
    if max(seen.values(), default=0) < 2:
        return np.zeros(len(texts))
    from sklearn.feature_extraction.text import CountVectorizer

    counts = CountVectorizer(token_pattern=r"\S+", min_df=2).fit_transform(texts).toarray().astype(float)
    return held_out_scores(logistic, counts, y, folds_of(y, groups))


def equal_lengths(lengths: ndarray, y: Labels, seed: int) -> ndarray:
    """Indices of as many prompts of each kind at every length: where length tells nothing."""
    generator, kept = np.random.default_rng(seed), []
    for length in np.unique(lengths):
        sides = [np.flatnonzero((lengths == length) & (y == side)) for side in (True, False)]
        count = min(map(len, sides))
        kept += [generator.permutation(side)[:count] for side in sides]
    return np.sort(np.concatenate(kept)).astype(int) if kept else np.empty(0, dtype=int)
