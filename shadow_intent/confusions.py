"""What speech recognisers make of numbers, and what was meant. Only where the words around leave no doubt."""

from __future__ import annotations

import re

_TENS = {"twen": "twenty", "thir": "thirty", "for": "forty", "four": "forty", "fore": "forty", "fif": "fifty"}
_TENS |= {"six": "sixty", "seven": "seventy", "ate": "eighty", "eight": "eighty", "eigh": "eighty", "nine": "ninety"}
_DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "fife", "tree", "ate", "niner")
_WORDS = (
    (re.compile(rf"\b({'|'.join(_TENS)}) (?:tea|tee|ty)\b(?= (?:degree|{'|'.join(_DIGITS)}))"), lambda m: _TENS[m[1]]),
    (re.compile(r"(?<=\bone )ate tea\b"), lambda m: "eighty"),
    (re.compile(r"\bwon(?= (?:twenty|thirty|forty|fifty|sixty|eighty)\b)"), lambda m: "one"),
    (re.compile(r"\bfife\b"), lambda m: "five"),
    (re.compile(r"\bniner\b"), lambda m: "nine"),
    (re.compile(r"(?<=ty )(?:tree|free)\b"), lambda m: "three"),
    (re.compile(r"(?<=ty )ate\b"), lambda m: "eight"),
    (
        re.compile(r"\b(?:decimal|dot)(?= (?:oh|zero|one|two|three|four|five|six|seven|eight|nine)\b)"),
        lambda m: "point",
    ),
    (re.compile(r"\b(?:360 ?s|three sixties)\b"), lambda m: "spins"),
    (re.compile(r"(?<=\bpi) ?(?:divided by|by|/) ?(?=\w)"), lambda m: " over "),
)
_PI = re.compile(r" ?π ?")
_HAN_DIGIT = "一二两三四五六七八九"
_HAN = (
    (re.compile(rf"(?<=[{_HAN_DIGIT}])[时是实石识食](?=[{_HAN_DIGIT}]?度)"), "十"),  # "九时度"
    (re.compile(rf"(?<=[{_HAN_DIGIT}十])[权券全劝](?![{_HAN_DIGIT}])"), "圈"),
    (re.compile(r"(?<=转)[以已]圈"), "一圈"),
    (re.compile(rf"(?<=[{_HAN_DIGIT}十百])[部布不](?![{_HAN_DIGIT}]|[\u3400-\u9fff])"), "步"),
    (re.compile(rf"(?<=[十百千]) +(?=[零{_HAN_DIGIT}])"), ""),  # "四十 五度"
    (re.compile(r"一一(?=[个下次圈步米])"), "一"),
    (re.compile(r"(?<=分之)派|(?<=转)派(?=弧度|除以|[/÷])"), "一派"),
    (re.compile(r"(?<=派)(?:除以|[/÷])"), " over "),
)


def heard_as_meant(text: str) -> str:
    """The text, lower case and in simplified characters, with such confusions put right."""
    text = _PI.sub(" pi " if _PI.sub("", text).isascii() else "派", text)
    for pattern, meant in _WORDS if text.isascii() else _HAN:
        text = pattern.sub(meant, text)
    return text
