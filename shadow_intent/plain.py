"""How signs are written, evened out: what a keyboard or a recogniser writes for an apostrophe or a letter."""

from __future__ import annotations

_APOSTROPHES = dict.fromkeys(map(ord, "`\u00b4\u02bc\u2018\u2019\u201b\uff07"), "'")
_FULL_WIDTH = {0xFF01 + i: chr(0x21 + i) for i in range(94)}
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_SIGNS = _FULL_WIDTH | _APOSTROPHES | _UNSEEN
_WRITTEN = frozenset(map(chr, _SIGNS))


def plain(text: str) -> str:
    """`text` with plain apostrophes, half-width letters and marks, and without what nobody sees."""
    return text if _WRITTEN.isdisjoint(text) else text.translate(_SIGNS)


def lowered(text: str) -> str:
    """The same in lower case and without apostrophes."""
    return plain(text).lower().replace("'", "")


def asks(text: str) -> bool:
    """Whether it ends as a question."""
    return text.rstrip().endswith(("?", "？"))
