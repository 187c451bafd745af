"""Numbers as people say them, in English and Chinese: a text becomes words, breaks and numbers.

The grammar is small on purpose: cardinals, decimals, digits with units glued on ("2m"), "one eighty", "一百八",
"三点五", "一八零", "四分之三". Halves and quarters stay words, because what they mean depends on what follows
("half a turn", "两米半"): see `quantities`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """One word, one Han word, one break or one number of an utterance."""

    text: str
    """As normalised; `BREAK` for a break."""
    value: float | None = None
    """The number it says, in no unit; NaN when that is no single number ("两三"); None for a word."""
    spelled: int = 0
    """How many digits were said, 0 unless the number is a plain run of digits: "零五" is 5 with two."""


BREAK = ","

_SIMPLE = str.maketrans(
    "兩點萬億貳參陸負個圈釐鐘鍾時間週寸迴後應該還說幾數過從壹",
    "两点万亿二三六负个圈厘钟钟时间周寸回后应该还说几数过从一",
)
_VULGAR = str.maketrans(
    {"½": ".5 ", "¼": ".25 ", "¾": ".75 ", "⅓": ".3333 ", "⅔": ".6667 ", "×": " times ", "°": " degrees "}
)
_FULL_WIDTH = str.maketrans({0xFF01 + i: 0x21 + i for i in range(94)})
_HAN_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "幺": 1}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_HAN_NUMBER = "零〇幺一二两三四五六七八九十百千万亿"
_LEXER = re.compile(
    rf"(?P<ratio>[{_HAN_NUMBER}\d]+分之[{_HAN_NUMBER}\d]+)"
    rf"|(?P<han>[{_HAN_NUMBER}]+(?:点[零〇幺一二三四五六七八九]+)?|\d+(?:\.\d+)?[百千万])"
    r"|(?P<digits>\d+点\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\s*/\s*\d+|\d*\.\d+|\d+)"
    r"|(?P<word>[a-z]+[0-9]*|[\u3400-\u9fff])"
    r"|(?P<sign>(?<![\w.])[-\u2212+](?=[\d.])|(?<=[\u3400-\u9fff])[-\u2212](?=\d))"
    r"|(?P<mark>[-\u2212~/])|(?P<break>[,.!?;:，。！？；：、…—\n]+)"
)

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TIES = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: i for i, word in enumerate(_SMALL.split())}
_TENS = {word: 10 * i for i, word in enumerate(_TIES.split(), 2)} | {"fourty": 40, "ninty": 90}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_DIGIT_WORDS = {w: i for w, i in _ONES.items() if i < 10} | {"oh": 0, "o": 0}


def tokenize(text: str) -> list[Token]:
    """Words, breaks and numbers of `text`, any string, in order. Linear in its length."""
    plain = text.lower().translate(_FULL_WIDTH).translate(_SIMPLE).translate(_VULGAR)
    plain = re.sub(r"(?<=\d)['\u2032](?![a-z])", " feet ", plain)
    plain = re.sub(r"(?<=\d)[\"\u2033]", " inches ", plain).replace("'", "").replace("\u2019", "")
    plain = re.sub(r"(?<=[a-z])-(?=[a-z0-9])|(?<=\d)-(?=[a-z])", " ", plain)
    tokens = [_token(m) for m in _LEXER.finditer(plain)]
    return _join_english(tokens)


def _token(found: re.Match[str]) -> Token:
    text = found.group()
    if found.lastgroup == "ratio":
        below, above = (_either(part) for part in text.split("分之"))
        return Token(text, above / below if below else math.nan)
    if found.lastgroup == "han":
        return Token(text, _either(text), len(text) if all(c in _HAN_DIGITS for c in text) else 0)
    if found.lastgroup == "digits":
        return Token(text, _digits(text), len(text) if text.isascii() and text.isdigit() else 0)
    return Token(BREAK if found.lastgroup == "break" else text)


def _digits(text: str) -> float:
    if "/" in text:
        above, below = (float(part) for part in text.split("/"))
        return above / below if below else math.nan
    return float(text.replace(",", "").replace("点", "."))


def _either(text: str) -> float:
    """Digits, Han numerals, or digits before one scale ("3千")."""
    if text[-1] in _HAN_SCALES and text[:-1].replace(".", "", 1).isdecimal():
        return float(text[:-1]) * _HAN_SCALES[text[-1]]
    return float(text) if text.isdecimal() else han_number(text)


def han_number(text: str) -> float:
    """The value of Han numerals ("两百五十", "一百八", "一八零", "零点五"); NaN when they name none ("两三", "百")."""
    whole, _, decimals = text.partition("点")
    value = _han_whole(whole)
    return value + sum(_HAN_DIGITS[c] / 10**i for i, c in enumerate(decimals, 1))


def _han_whole(text: str) -> float:
    if all(c in _HAN_DIGITS for c in text):
        digits = [_HAN_DIGITS[c] for c in text]
        if len(digits) == 2 and digits[0] and digits[1] == digits[0] + 1:
            return math.nan  # "两三步": two or three
        return float("".join(map(str, digits)))
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


def _join_english(tokens: list[Token]) -> list[Token]:
    """Runs of English number words become one number token each."""
    joined: list[Token] = []
    i = 0
    while i < len(tokens):
        value, end = _cardinal(tokens, i)
        if value is None:
            joined.append(tokens[i])
            i += 1
        else:
            joined.append(Token(" ".join(t.text for t in tokens[i:end]), value))
            i = end
    return joined


def _cardinal(tokens: list[Token], start: int) -> tuple[float | None, int]:
    """The English number whose words begin at `start`, and where it ends; None when no number begins there."""
    total, current, last, i = 0.0, 0.0, 0, start  # last: the magnitude said before, which bounds what may follow
    while i < len(tokens):
        word = tokens[i].text
        size = 1 if word in _ONES else 10 if word in _TENS else _SCALES.get(word, 0)
        if (
            word == "and"
            and last >= 100
            and i + 1 < len(tokens)
            and (tokens[i + 1].text in _ONES or tokens[i + 1].text in _TENS)
        ):
            i += 1
            continue
        small = _ONES.get(word, _TENS.get(word, 0))
        if size in (1, 10) and (last == 0 or last >= 100 or (last == 10 and 0 < small < 10)):
            current, last = current + small, size
        elif size in (1, 10) and last == 1 and i == start + 1 and 0 < current < 10 <= small:
            current, last = current * 100 + small, size  # "one eighty"
        elif word in ("oh", "o") and last == 1 and i == start + 1 and 0 < _digit(tokens, i + 1) < 10:
            current, last = current * 100, 100  # "one oh five"
        elif size == 100 and last in (0, 1) and current < 100:
            current, last = (current or 1.0) * 100, 100
        elif size >= 1000 and last != size:
            total, current, last = total + (current or 1.0) * size, 0.0, size
        else:
            break
        i += 1
    decimals, end = _decimals(tokens, i)
    if i == start and end == i:
        return None, start
    return total + current + decimals, end


def _digit(tokens: list[Token], i: int) -> int:
    """The digit that the word at `i` names, 0 for any other word."""
    return _DIGIT_WORDS.get(tokens[i].text, 0) if i < len(tokens) else 0


def _decimals(tokens: list[Token], i: int) -> tuple[float, int]:
    """What "point five" or "point two five" adds, and where it ends; 0 and `i` when there is no point."""
    if i >= len(tokens) or tokens[i].text != "point":
        return 0.0, i
    end, value = i + 1, 0.0
    while end < len(tokens) and tokens[end].text in _DIGIT_WORDS:
        value += _DIGIT_WORDS[tokens[end].text] / 10 ** (end - i)
        end += 1
    return (value, end) if end > i + 1 else (0.0, i)
