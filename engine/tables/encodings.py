"""In which encoding a text file was written: the bytes decide. Runs in the child.

UTF-8 and UTF-16 prove themselves. Chinese and Cyrillic are told by how their bytes come together; what is left is
Western, where a guess between encodings changes a letter or two, and is said.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path

from engine.intake.refusal import Refusal

MARKS = (  # UTF-32's little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE_BYTES = 1 << 18
BLOCK = 1 << 20
SURE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030")
TURKISH = frozenset(b"\xd0\xdd\xde\xf0\xfd\xfe")  # ĞİŞğış in cp1254, Icelandic letters in cp1252
TURKISH_TOO = frozenset(b"\xc7\xd6\xdc\xe7\xf6\xfc") | TURKISH | frozenset(range(0x80, 0xC0))  # and punctuation
GB_COMMON = (range(0xB0, 0xD8), 0xA1)  # lead bytes of the 3,755 common characters of GB 2312, and the least second byte
BIG5_COMMON = (range(0xA4, 0xC7), 0x40)  # of the 5,401 common ones of Big5
MOSTLY = 0.75  # of the high bytes must fit


def encoding_of(path: Path) -> str:
    """The encoding of a whole file: a byte order mark, NULs of UTF-16, strict UTF-8, GB 18030, else Latin."""
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        for mark, name in MARKS:
            if head.startswith(mark):
                return name
        if head[1::2].count(0) > 0.3 * len(head) / 2:
            return "utf-16-le"
        if head[::2].count(0) > 0.3 * len(head) / 2:
            return "utf-16-be"
        if b"\0" in head:
            raise Refusal("table_not_text")
        file.seek(0)
        utf8, gb, big5 = (codecs.getincrementaldecoder(name)() for name in ("utf-8", "gb18030", "big5hkscs"))
        high: Counter[int] = Counter()
        while block := file.read(BLOCK):
            utf8, gb, big5 = _still(utf8, block), _still(gb, block), _still(big5, block)
            if utf8 is None:
                high.update(b for b in block if b > 0x7F)
    if _still(utf8, b"", final=True) is not None:
        return "utf-8"
    shares = {"gb18030": _common(head, GB_COMMON) if _still(gb, b"", final=True) else 0.0,
              "big5hkscs": _common(head, BIG5_COMMON) if _still(big5, b"", final=True) else 0.0}  # fmt: skip
    best = max(shares, key=shares.get)
    if shares[best] > MOSTLY:
        return best
    if _in_words(head) > MOSTLY:
        return "cp1251"
    if set(high) & TURKISH and set(high) <= TURKISH_TOO:
        return "cp1254"
    return "latin-1" if set(high) & set(b"\x81\x8d\x8f\x90\x9d") else "cp1252"  # five bytes that cp1252 does not have


def _still(decoder: codecs.IncrementalDecoder | None, block: bytes, final: bool = False):
    if decoder is None:
        return None
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return None
    return decoder


def _common(head: bytes, common: tuple[range, int]) -> float:
    """Share of two-byte characters that are common Chinese ones."""
    lead, second = common
    fits = pairs = at = 0
    while at < len(head) - 1:
        if head[at] < 0x80:
            at += 1
            continue
        pairs += 1
        fits += head[at] in lead and head[at + 1] >= second
        at += 2
    return fits / pairs if pairs else 0.0


def _in_words(head: bytes) -> float:
    """Share of high bytes in words of three and more of them, as Cyrillic writes and no Western language does."""
    runs = re.findall(rb"[\x80-\xff]+", head)
    return sum(len(r) for r in runs if len(r) >= 3 and min(r) >= 0xA8) / max(sum(map(len, runs)), 1)
