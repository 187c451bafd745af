"""What the words of `stop_phrases_en` and `_zh` are: a text becomes tokens; the phrases that begin at one are found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby

from shadow_intent import stop_phrases_en, stop_phrases_zh
from shadow_intent.plain import lowered

KINDS = ("OPEN", "REQUEST", "ASK", "CLOSE", "REASON", "FAINT", "WEAK", "CEASE", "STOP", "DAMP")
"""What a phrase may be, one bit each. A command is (OPEN | REQUEST)* core (OPEN | REQUEST | CLOSE | ASK | core)* and
perhaps REASON with anything after it; the last five are cores, weakest first."""
OPEN, REQUEST, ASK, CLOSE, REASON, FAINT, WEAK, CEASE, STOP, DAMP = (1 << i for i in range(len(KINDS)))
_WHOLE = (1 << len(KINDS)) - 1
_PAIRS = (
    ("CEASERS", "GERUNDS", CEASE),
    ("REFUSALS", "ACTIVITIES_OVER", CEASE),
    ("REFUSALS_AGAIN", "ACTIVITIES", CEASE),
    ("CUTTERS", "MOTORS", DAMP),
    ("MOTORS", "OFF", DAMP),
    ("LIMPERS", "LIMP", DAMP),
    ("HAN_CUTTERS", "HAN_MOTORS", DAMP),
    ("HAN_MOTORS", "HAN_CUTTERS", DAMP),
    ("HAN_STRENGTH", "HAN_LIMPERS", DAMP),
    ("HAN_BODY", "HAN_SLACK", DAMP),
    ("DAMPERS", "HAN_DAMPING", DAMP),
)
"""Phrases of two halves, tables of phrases, and what the two are together."""
_HALVES = ("SWITCHERS", "HAN_FILL", *dict.fromkeys(name for first, second, _ in _PAIRS for name in (first, second)))
_HALF = {name: 1 << (len(KINDS) + i) for i, name in enumerate(_HALVES)}
_JOINED = tuple((_HALF[first], _HALF[second], kind) for first, second, kind in _PAIRS)
_SWITCHERS, _MOTORS, _FILL = _HALF["SWITCHERS"], _HALF["MOTORS"], _HALF["HAN_FILL"]

BREAK = ","
PAUSE = " "
"""Between Han characters; it may be nothing but the recogniser's way of writing."""
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]|[,.!?;:，。！？；：、…—\n]+|(?<=[\u3400-\u9fff]) +(?=[\u3400-\u9fff])")
_AGAIN = re.compile(r"(stop|whoa|woah|freeze|halt|wait|no)\1+")
_DOUBLED = re.compile(r"(.)\1+")
_SIMPLE = str.maketrans(
    "別動緊斷開閉電機馬達關鬆車煞剎們轉擺聽話嗎說後來還過夠給趕請麻煩點兒這裡裏個麼為與幫狗寶貝財許準亂趴",
    "别动紧断开闭电机马达关松车刹刹们转摆听话吗说后来还过够给赶请麻烦点儿这里里个么为与帮狗宝贝财许准乱趴",
) | str.maketrans(
    "進運遙驅應該讓爾歐噢喲攔鬧搖飛衝繼續從時會瀉頭壓邊囉夾纏絞煙燒癱軟勁氣腳瘋險傷門縫線撐總舉釋徹淚無節",
    "进运遥驱应该让尔欧噢哟拦闹摇飞冲继续从时会泻头压边啰夹缠绞烟烧瘫软劲气脚疯险伤门缝线撑总举释彻泪无节",
)


def words_of(text: str) -> list[str]:
    """What `text` is written of: words, single Han characters, marks and pauses."""
    found: list[str] = _WORD.findall(lowered(text).translate(_SIMPLE))
    return found


def tokens_of(words: list[str], stammered: bool = True) -> list[str]:
    """Lower-case words, single Han characters and breaks.

    Repetitions are one, because panic reads like a calm voice; unless `stammered`, a word said twice is two words.
    """
    tokens: list[str] = []
    last = ""
    for raw in words:
        token = BREAK if not raw[0].isalnum() else raw
        if token == BREAK:
            token = PAUSE if raw.isspace() and "\n" not in raw else BREAK
        elif token not in _KNOWN:
            token = _calmed(token)
        if token in (BREAK, PAUSE):
            if tokens and tokens[-1] not in (BREAK, PAUSE):
                tokens.append(token)
        elif token != last or not stammered:
            tokens.append(token)
            last = token
        elif tokens[-1] in (BREAK, PAUSE):
            tokens.pop()
    return tokens


def _calmed(token: str) -> str:
    """What a stretched or stammered word means: "freeeeze", "stopstopstop"."""
    once = _AGAIN.fullmatch(token)
    return once[1] if once else _STRETCHED.get(_DOUBLED.sub(r"\1", token), token)


def _table(name: str) -> list[str]:
    """The phrases of a table, both languages: between bars, or Han words between spaces."""
    tables = [getattr(module, name, "") for module in (stop_phrases_en, stop_phrases_zh)]
    return [" ".join(phrase.split()) for table in tables for phrase in table.split("|" if "|" in table else None)]


def _rows() -> list[tuple[str, int]]:
    """Every phrase with its kind; some come twice, with two kinds."""
    rows = [(phrase, OPEN) for phrase in _table("NAMES")]
    for i, name in enumerate(KINDS):
        rows += [(phrase, 1 << i) for phrase in _table(name)]
    for name, bit in _HALF.items():
        rows += [(phrase, bit) for phrase in _table(name)]
    over = _HALF["ACTIVITIES_OVER"]
    return rows + [(activity + end, over) for activity in _table("ACTIVITIES") for end in "了啦咯喽囉咧"]


_PHRASES = _rows()


@dataclass(slots=True)
class _Node:
    """Of a trie over tokens."""

    then: dict[str, _Node] = field(default_factory=dict)
    kinds: int = 0
    """Of the phrase that ends here, if any."""


def _grow() -> _Node:
    """The phrases as a trie."""
    root = _Node()
    for phrase, kind in _PHRASES:
        node = root
        for token, _ in groupby(_WORD.findall(phrase)):
            node = node.then.setdefault(token, _Node())
        node.kinds |= kind
    return root


_ROOT = _grow()
_KNOWN = frozenset(token for phrase, _ in _PHRASES for token in _WORD.findall(phrase))
FIRST = frozenset(_WORD.findall(p)[0] for p, kind in _PHRASES if kind & (STOP | DAMP) or kind > _WHOLE)
"""With which a stop that is unmistakable within a sentence may begin."""
_STRETCHED = {_DOUBLED.sub(r"\1", token): token for token in sorted(_KNOWN) if len(token) > 2}
"""The words without doubled letters -> as they are spelled."""


def _at(tokens: list[str], start: int) -> list[tuple[int, int]]:
    """Kinds and end of every phrase that begins at `start`, shortest first."""
    found: list[tuple[int, int]] = []
    if start == len(tokens) or tokens[start] not in _ROOT.then:
        return found
    then = _ROOT.then
    for end in range(start, len(tokens)):
        node = then.get(tokens[end])
        if node is not None:
            then = node.then
            if node.kinds:
                found.append((node.kinds, end + 1))
        elif tokens[end] != PAUSE:
            break
    return found


def longest(tokens: list[str], start: int) -> tuple[int, int] | None:
    """Kind and end of the longest phrase, whole or of two halves, that begins at `start`."""
    found = None
    for kinds, end in _at(tokens, start):
        if kinds & _WHOLE and (found is None or end > found[1]):
            found = kinds & _WHOLE, end
        paired = _paired(tokens, kinds, end) if kinds > _WHOLE else None
        if paired and (found is None or paired[1] > found[1]):
            found = paired
    return found


def _paired(tokens: list[str], kinds: int, start: int, direct: bool = False) -> tuple[int, int] | None:
    """Kind and end of the longest phrase whose first half was of `kinds` and whose second begins at `start`.

    Unless `direct`, one more word may stand between the halves.
    """
    found = (0, start)
    for more, end in _at(tokens, start):
        if more <= _WHOLE:
            continue
        for first, second, kind in _JOINED:
            if kinds & first and more & second and end > found[1]:
                found = kind, end
        through = (kinds if more & _FILL else 0) | (_MOTORS if kinds & _SWITCHERS and more & _MOTORS else 0)
        paired = _paired(tokens, through, end, direct=True) if through and not direct else None
        if paired and paired[1] > found[1]:
            found = paired
    return found if found[0] else None
