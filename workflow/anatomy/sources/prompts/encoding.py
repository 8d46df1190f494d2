"""From the bytes of a text file to its text: which encoding they are in, and what to do where that cannot be known."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from anatomy.errors import DataError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
"""What a file may begin with, the codec that it stands for, and a name for it where it is worth a word. UTF-32 comes before
UTF-16, whose mark is its beginning."""
BEGINNINGS = (
    (b"PK\x03\x04", "a zip file, such as an Excel or LibreOffice workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"\x1f\x8b", "a file compressed with gzip"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"),
)
"""Contents of another kind than a text file's name says."""
WESTERN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœŠšŽžŸ"
MARKS_OF_TEXT = "“”‘’„‚–—…•·«»‹›€£§©®™°¡¿´"
SAVE_AS = "save it as UTF-8 (Excel: Save as, 'CSV UTF-8'; elsewhere `iconv -t UTF-8`)"


def decoded(raw: bytes, path: Path, *, spreadsheet: bool) -> tuple[str, list[str]]:
    """Text of a file, and what a reader should know of how it was read.

    UTF-8, and UTF-16 or UTF-32 that begin with their mark (Excel's "Unicode text"). Spreadsheets may be in Windows-1252 too,
    the encoding of Excel's plain CSV in Western Europe: no file says so itself, so it is taken only where everything outside
    ASCII reads as typographic marks or as Western letters within words, and the reader is told.

    Raises:
        DataError: bytes in none of these, with their place; or a file of another kind under this name.
    """
    if not raw.strip():
        raise DataError(found="an empty file", expected="rows", where=str(path), remedy="check that it was saved")
    for beginning, kind in BEGINNINGS:
        if raw.startswith(beginning):
            raise DataError(
                found=kind,
                expected="text in UTF-8",
                where=str(path),
                remedy="name it after what it holds (a workbook .xlsx or .ods), or give the table itself, saved as CSV UTF-8",
            )
    mark, codec, name = next((one for one in MARKS if raw.startswith(one[0])), (b"", "utf-8", ""))
    if not mark and raw[:1000].count(0) > len(raw[:1000]) / 4:
        raise DataError(
            found="zero bytes, as in UTF-16 without a mark at its beginning",
            expected="text in UTF-8",
            where=str(path),
            remedy=SAVE_AS,
        )
    try:
        return raw.decode(codec), [f"read as {name}"] if name else []
    except UnicodeDecodeError as error:
        if spreadsheet and not mark and (example := _western_word(raw)):
            text = raw.decode("cp1252")
            return text, [f"read as Windows-1252, as it is no UTF-8: {example!r}; if that is wrong, {SAVE_AS}"]
        offset = error.start + (len(mark) if codec == "utf-8-sig" else 0)
        line = raw[:offset].count(b"\n") + 1
        raise DataError(
            found=f"byte 0x{raw[offset]:02x} at byte offset {offset} (line {line})",
            expected=f"text in {name or 'UTF-8'}",
            where=str(path),
            remedy=SAVE_AS,
        ) from None


def _western_word(raw: bytes) -> str | None:
    """A word with the first byte outside ASCII, if all such bytes make sense in Windows-1252.

    Cyrillic, Greek or Chinese bytes come in runs of letters that no Western word has, and Polish, Turkish or Icelandic ones
    are signs, or letters that are left out of ``WESTERN``.
    """
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = re.findall(r"[^\x00-\x7f\xa0]", text)
    if not foreign or set(foreign) - set(WESTERN + MARKS_OF_TEXT) or re.search(f"[{WESTERN}]{{3}}", text):
        return None
    if re.search(r"\w[“„‚•·«»‹›€£§©®™°¡¿´]\w", text):
        return None
    found = re.search(r"\S*[^\x00-\x7f]\S*", text)
    return found.group()[:40] if found else None
