"""Numbers as people say them, in English and Chinese: a text becomes words, breaks and numbers.

English cardinals and decimals are read by text2num. It leaves to us what people say beside them: "one eighty", "one oh
five", "three zero degrees", "2 hundred". Han numerals are read here: cn2an, the kept library for them, takes 23 for
"两三" (two or three), needs 36 us where this needs 1, and 0.25 s to import, which is two thirds of our whole cold
start; the tests hold the two to the same values. Halves and quarters stay words, because what they mean depends on what
follows ("half a turn", "两米半"): see `quantities`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from text_to_num import find_numbers

from shadow_intent.confusions import heard_as_meant


@dataclass(frozen=True, slots=True)
class Token:
    """One word, one Han word, one break or one number of an utterance."""

    text: str
    """As normalised; `BREAK` for a break."""
    value: float | None = None
    """The number it says, in no unit; NaN when that is no single number ("两三", "1.2.3"), infinite for words such as
    "forever"; None for a word."""
    spelled: int = 0
    """How many digits were said, 0 unless the number is a plain run of digits: "零五" is 5 with two."""
    between: tuple[float, float] | None = None
    """Smallest and largest of a range said as one number ("两三"); its value is NaN."""


BREAK = ","

_SIMPLE = str.maketrans(
    "兩點萬億貳參陸負個圈釐鐘鍾時間週寸迴後應該還說幾數過從壹邊頭調轉",
    "两点万亿二三六负个圈厘钟钟时间周寸回后应该还说几数过从一边头调转",
)
_VULGAR = str.maketrans(
    {"½": ".5 ", "¼": ".25 ", "¾": ".75 ", "⅓": ".3333 ", "⅔": ".6667 ", "×": " times ", "°": " degrees "}
)
_FULL_WIDTH = str.maketrans({0xFF01 + i: 0x21 + i for i in range(94)})
_HAN_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "幺": 1}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_HAN_NUMBER = "零〇幺一二两三四五六七八九十百千万亿"
_HAN_GAP = re.compile(
    r"(?<=[一二两三四五六七八九]) +(?=[十百千万])|(?<=[十百千万]) +(?=[零一二三四五六七八九十百千])"
    r"|(?<=[百千万] 零) +(?=[一二三四五六七八九])|(?<=\b\d) +(?=\d(?: \d)? ?度)|(?<=\b\d \d) +(?=\d ?度)"
    r"|(?<=[零一二两三四五六七八九十百千万]) +(?=点 +[零一二三四五六七八九])"
    r"|(?<=[零一二两三四五六七八九十百千万] 点) +(?=[零一二三四五六七八九])"
)
"""Within a numeral that a recogniser cut into characters: "三 十 五", "1 5 度"."""
_POINT = re.compile(
    r"(?<=\d) +[.,] *(?=\d{1,2}(?!\d))|(?<=\b0)\. +(?=\d)|(?<=\d) *。 *(?=\d)"
    r"|(?<=\b\d)\. +(?=\d\d? ?(?:c?m\b|met|centi|f[eo]+t\b|inch|deg|米|厘米|度))"
)
"""A decimal point that was written apart ("0 . 5", "1 , 5") or as a full stop."""
_DIGIT_NAMES = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_DIGIT_NAMES |= {"six": "6", "seven": "7", "eight": "8", "nine": "9"}
_HAN_DIGIT_NAMES = {c: str(i) for c, i in _HAN_DIGITS.items()}
_SAID_POINT = re.compile(
    rf"\b(\d+|{'|'.join(_DIGIT_NAMES)}) (point|comma) (\d+|{'|'.join(_DIGIT_NAMES)})\b"
    rf"|(?<![{_HAN_NUMBER}\d])([{''.join(_HAN_DIGITS)}]|\d+) *点 *([{''.join(_HAN_DIGITS)}]|\d+)(?![{_HAN_NUMBER}\d])"
)
_APART = re.compile(r"(?<=\d) ([ckm])\.? ?m\b")
"""Letters of a unit that were written apart: "30 c m", "5 c.m."."""
_TOGETHER = re.compile(r"(?<=\d)(m|cm|ft|foot|feet)(?=\d)")
_COUNTING = re.compile(r"一二三?四?五?|一二一|五?四?三二一")
"""Said aloud before something happens; no number, unless it is measured: "一二三度"."""
_MEASURED = re.compile("度|米|厘米|毫米|公分|秒")
_NEIGHBOURS = re.compile(r"([一二两三四五六七八])([二两三四五六七八九])([十百千万]*)")
_ENDLESS = frozenset(["inf", "infinity", "infinite", "infinitely", "endless", "endlessly", "forever", "eternity"])
_ENDLESS_SIGNS = "∞|无限|无穷|无尽|无数|永远"
_LEXER = re.compile(
    rf"(?P<endless>{_ENDLESS_SIGNS})"
    rf"|(?P<ratio>[{_HAN_NUMBER}\d]+分之[{_HAN_NUMBER}\d]+)"
    rf"|(?P<han>[{_HAN_NUMBER}]+(?:点[零〇幺一二三四五六七八九]+)?|\d+(?:\.\d+)?[百千万])"
    r"|(?P<digits>\d+[ -]\d+/\d+|\d+(?:\.\d+)?e[-+]?\d+(?![a-z\d])|(?<![\d,.])\d+,\d{1,2}(?![\d,.])"
    r"|\d+(?:\.\d+){2,}|\d+点\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\s*/\s*\d+|\d*\.\d+|\d+)"
    r"|(?P<word>[a-z]+[0-9]*|[\u3400-\u9fff])"
    r"|(?P<sign>(?<![\w.])[-\u2212+](?=[\d.])|(?<=[\u3400-\u9fff])[-\u2212](?=\d))"
    r"|(?P<mark>[-\u2212~/])|(?P<break>[,.!?;:，。！？；：、…—\n]+)"
)
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")
_MIXED = re.compile(r"(\d+)[ -](\d+)/(\d+)")
_DIGIT_WORDS = frozenset(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
_NOT_NUMBERS = frozenset(["second", "seconds", "thirds", "ones", "twos", "threes", "fours", "fives", "tens"])
"""Units, fractions and things here: text2num would read "one second" as a number."""
_WORD_SCALES = frozenset([100.0, 1000.0, 1_000_000.0])


def tokenize(text: str) -> list[Token]:
    """Words, breaks and numbers of `text`, any string, in order. Linear in its length."""
    plain = text.lower().translate(_FULL_WIDTH).translate(_SIMPLE).translate(_VULGAR)
    plain = re.sub(r"(?<=\d)['\u2032](?![a-z])", " feet ", plain)
    plain = re.sub(r"(?<=\d)[\"\u2033]", " inches ", plain).replace("'", "").replace("\u2019", "")
    plain = _SAID_POINT.sub(_with_point, _POINT.sub(".", plain))
    plain = _TOGETHER.sub(r" \1 ", _APART.sub(r" \1m", plain))
    plain = heard_as_meant(_HAN_GAP.sub("", plain))
    plain = re.sub(r"(?<=[\u3400-\u9fff]{2}) +(?=[\u3400-\u9fff]{2})", BREAK, plain)
    plain = re.sub(r"(?<=[a-z])(?<!\de)-(?=[a-z0-9])|(?<=\d)-(?=[a-z])", " ", plain)
    return _join([_token(m) for m in _LEXER.finditer(plain)])


def _with_point(found: re.Match[str]) -> str:
    """ "3 point five" and "三点5" as 3.5; what is all words stays words."""
    whole, _, decimals, han_whole, han_decimals = found.groups()
    if whole is None:
        parts = [_HAN_DIGIT_NAMES.get(part, part) for part in (han_whole, han_decimals)]
        return found.group() if han_whole in _HAN_DIGITS and han_decimals in _HAN_DIGITS else ".".join(parts)
    if whole in _DIGIT_NAMES and decimals in _DIGIT_NAMES:
        return f"{whole} point {decimals}"
    return ".".join(_DIGIT_NAMES.get(part, part) for part in (whole, decimals))


def _token(found: re.Match[str]) -> Token:
    text = found.group()
    if found.lastgroup == "endless" or text in _ENDLESS:
        return Token(text, math.inf)
    if found.lastgroup == "ratio":
        below, above = (_either(part) for part in text.split("分之"))
        return Token(text, above / below if below else math.nan)
    if found.lastgroup == "han":
        if _COUNTING.fullmatch(text) and not _MEASURED.match(found.string, found.end()):
            return Token(text)
        if between := _between(text):
            return Token(text, math.nan, between=between)
        return Token(text, _either(text), len(text) if all(c in _HAN_DIGITS for c in text) else 0)
    if found.lastgroup == "digits":
        return Token(text, _digits(text), len(text) if text.isascii() and text.isdigit() else 0)
    return Token(BREAK if found.lastgroup == "break" else text)


def _digits(text: str) -> float:
    if mixed := _MIXED.fullmatch(text):
        whole, above, below = (float(part) for part in mixed.groups())
        return whole + above / below if above < below else math.nan
    if "/" in text:
        above, below = (float(part) for part in text.split("/"))
        return above / below if below else math.nan
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    plain = text.replace(",", "").replace("点", ".")
    return float(plain) if plain.count(".") < 2 else math.nan  # "1.2.3"


def _between(text: str) -> tuple[float, float] | None:
    """Two or three of something: "两三", "七八十", "三四百"; "一二" is counting."""
    found = _NEIGHBOURS.fullmatch(text)
    if not found:
        return None
    low, high = (_HAN_DIGITS[c] for c in found.group(1, 2))
    scale = math.prod(_HAN_SCALES[c] for c in found.group(3))
    return (float(low * scale), float(high * scale)) if high == low + 1 and found.group(2) != "二" else None


def _either(text: str) -> float:
    """Digits, Han numerals, or digits before one scale ("3千")."""
    if text[-1] in _HAN_SCALES and text[:-1].replace(".", "", 1).isdecimal():
        return float(text[:-1]) * _HAN_SCALES[text[-1]]
    if text.isdecimal():
        return float(text)
    return math.nan if any(c.isdecimal() for c in text) else han_number(text)  # "二十5"


def han_number(text: str) -> float:
    """The value of Han numerals ("两百五十", "一百八", "一八零", "零点五"); NaN when they name none ("百")."""
    whole, _, decimals = text.partition("点")
    value = _han_whole(whole)
    return value + sum(_HAN_DIGITS[c] / 10**i for i, c in enumerate(decimals, 1))


def _han_whole(text: str) -> float:
    if all(c in _HAN_DIGITS for c in text):
        return float("".join(str(_HAN_DIGITS[c]) for c in text))
    total = section = digit = 0.0
    scale = 0
    for i, c in enumerate(text):
        if c in _HAN_DIGITS:
            if digit:
                return math.nan
            digit, scale = float(_HAN_DIGITS[c]), scale if c != "零" else 0
            continue
        unit = _HAN_SCALES[c]
        if not digit and not (unit == 10 and not section) and unit < 10_000:
            return math.nan
        if unit < 10_000:
            section += (digit or 1.0) * unit
        elif not section + digit:
            return math.nan
        else:
            total, section = total + (section + digit) * unit, 0.0
        digit, scale = 0.0, unit if i == len(text) - 2 else 0
    if digit and scale > 10 and text[-2] in _HAN_SCALES:
        digit *= scale / 10  # "一百八" is 180
    return total + section + digit


class _Word:
    """A token as text2num wants it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Word) -> bool:
        return False  # a break is a token of its own

    def not_a_number_part(self) -> bool:
        return self._text in _NOT_NUMBERS


@dataclass(frozen=True, slots=True)
class _Number:
    """A number that text2num found."""

    value: float
    digits: str
    """As written: "05" for "oh five"."""
    end: int
    """Index after its last token."""


def _join(tokens: list[Token]) -> list[Token]:
    """Runs of English number words become one number token each."""
    words = [token.text for token in tokens]
    decimals = False
    for i in range(1, len(words)):
        within = words[i - 1] in _DIGIT_WORDS and i + 1 < len(words) and words[i + 1] in _DIGIT_WORDS
        decimals = words[i - 1] == "point" or (decimals and words[i - 1] in _DIGIT_WORDS)
        if words[i] in ("oh", "o") and (within or decimals):
            words[i] = "zero"
    numbers = find_numbers([_Word(word) for word in words], "en", 0.0)
    found = {n.start: _Number(n.value, n.text, n.end) for n in numbers if not n.is_ordinal}
    joined: list[Token] = []
    i = 0
    while i < len(tokens):
        value, end = _number(tokens, words, found, i) or _scaled(tokens[i], found, i) or (None, i + 1)
        joined.append(tokens[i] if value is None else Token(" ".join(words[i:end]), value))
        i = end
    return joined


def _number(tokens: list[Token], words: list[str], found: dict[int, _Number], i: int) -> tuple[float, int] | None:
    """The English number that begins at `i`, and where it ends."""
    first = found.get(i)
    if first is None:
        return _decimals(found, i + 1) if words[i] == "point" else None
    second = found.get(first.end) or _written(tokens, first.end)
    if second is None or (len(first.digits) != 1 and first.digits[0] != "0"):
        return first.value, first.end
    if first.value and (10 <= second.value < 100 or (second.digits[0] == "0" and len(second.digits) == 2)):
        return first.value * 100 + second.value, second.end  # "one eighty", "one oh five"
    run, end = "", i
    while (number := found.get(end)) and number.digits.isdigit() and len(number.digits) <= 2:
        run, end = run + number.digits, number.end
    unit = words[end] if end < len(words) else ""
    measured = unit.startswith("degree") or (len(run) > 2 and unit.startswith(("centi", "milli", "cm", "mm")))
    bearing = len(run) == 3 and run not in "0123456789876543210"  # "two seven zero"; "one two three" counts
    return (float(run), end) if measured or bearing else (first.value, first.end)


def _written(tokens: list[Token], i: int) -> _Number | None:
    """Two digits at `i`, as in "one 80"."""
    token = tokens[i] if i < len(tokens) else None
    return _Number(token.value or 0.0, token.text, i + 1) if token and token.spelled == 2 else None


def _decimals(found: dict[int, _Number], i: int) -> tuple[float, int] | None:
    """The digits said after a point with nothing before it."""
    digits = ""
    while (number := found.get(i)) and len(number.digits) == 1:
        digits, i = digits + number.digits, number.end
    return (float("0." + digits), i) if digits else None


def _scaled(token: Token, found: dict[int, _Number], i: int) -> tuple[float, int] | None:
    """Digits before a scale in words: "2 hundred"."""
    scale = found.get(i + 1)
    if token.value is None or scale is None or scale.value not in _WORD_SCALES or scale.end != i + 2:
        return None
    return token.value * scale.value, scale.end
