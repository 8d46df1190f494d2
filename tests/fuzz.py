"""Damaged content for every reader, and the one thing that a reader may do with it: give a value or an error of this package."""

import io

import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from anatomy.errors import AnatomyError

FUZZ = settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NASTY = [
    b"",
    b"\x00" * 64,
    b"\xff\xfe\xfd",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"null",
    b"[]",
    b"{}",
    b"[1, 2]",
    b'"text"',
    b"1e999",
    b"!!python/object/apply:os.system ['true']",
    b"a: &a [*a, *a]",
    b"\x80\x04\x95\x00",
    b"PAR1PAR1",
    b'{"a": NaN}',
]
"""Empty, binary, deep, of another shape, a pickle, a YAML tag that would run code, a Parquet file of nothing."""


@st.composite
def damaged(draw, good: bytes) -> bytes:
    """A good file with bytes changed, cut off, or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(("flip", "cut", "insert", "repeat")))
        if kind == "flip" and content:
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 64))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=8))
        else:
            content[place:place] = content[place : place + 16]
    return bytes(content)


def contents(good: bytes):
    return st.one_of(st.sampled_from(NASTY), st.binary(max_size=200), damaged(good))


def accepted(read, path) -> bool:
    """Whether the reader took the file; anything it raises must be an error of this package."""
    try:
        read(path)
    except AnatomyError as error:
        assert error.where and error.expected
        return False
    return True


def parquet(rows) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer, index=False)
    return buffer.getvalue()
