"""Stop and damp without a model: the words that must work when everything else is busy, late or broken.

An utterance matches when all of it is understood: openings (fillers, names, politeness), a stop phrase, closings. One
unknown word, and the answer is None and the classifier, which knows both labels too, decides. Three choices beyond it:

- What follows a plain stop does not undo it: after a pause or with a reason ("stop, there is a child", "stop and sit")
  ceasing motion at once is safe, waiting for a plan is not. A schedule, a condition, a report or a taking back ("stop,
  in five seconds", "stop, no, keep going") does undo it.
- "Stop jumping and sit" is "not X, do Y" and so Y: after a stop that names its activity only a reason may follow. The
  same holds for damp, which makes a standing robot drop.
- The last clause alone may be the stop ("you are drifting, stop"), unless what precedes it is a plan or a report ("walk
  to the door, stop").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby, product

from shadow_intent import stop_phrases as words

_KINDS = ("OPEN", "REQUEST", "ASK", "CLOSE", "REASON", "WEAK", "CEASE", "STOP", "DAMP")
"""What a phrase may be, one bit each. A command is (OPEN | REQUEST)* core (OPEN | REQUEST | CLOSE | ASK | core)* and
perhaps REASON with anything after it; the last four are cores, weakest first."""
_OPEN, _REQUEST, _ASK, _CLOSE, _REASON, _WEAK, _CEASE, _STOP, _DAMP = (1 << i for i in range(len(_KINDS)))

_BREAK = ","
_Core = tuple[int, str]
"""Kind of a core, and its words."""
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]|[,.!?;:，。！？；：、…—\n]+")
_SIMPLE = str.maketrans(
    "別動緊斷開電機馬達關鬆車煞剎們轉擺聽話嗎說後來還過夠給趕請麻煩點兒這裡裏個麼為與幫狗寶貝財許準亂趴",
    "别动紧断开电机马达关松车刹刹们转摆听话吗说后来还过够给赶请麻烦点儿这里里个么为与帮狗宝贝财许准乱趴",
) | str.maketrans(
    "進運遙驅應該讓爾歐噢喲攔鬧搖飛衝繼續從時會瀉頭壓邊囉",
    "进运遥驱应该让尔欧噢哟拦闹摇飞冲继续从时会泻头压边啰",
)

_RESUMED = re.compile(  # takes a stop back
    r"\b(?:keep (?:going|walking|it up)|carry on|continue|go on|never ?mind|kidding|joking|i mean|wait no|no wait"
    r"|actually|instead|scratch that|dont stop|on second thought|and go|and think)\b"
    r"|继续|接着|算了|开玩笑|别停|不要停|改成|还是"
)
_REMOVED = re.compile(  # puts it off, or shows that somebody reports it
    r"\b(?:(?:in|after|for) (?:\w+ ){1,3}(?:seconds?|secs?|minutes?|hours?|steps?|met(?:er|re)s?)"
    r"|in a (?:minute|second|moment)|when|if|once|after|until|till|unless|later|tomorrow|from|sa(?:id|ys|ying)|tell"
    r"|told|means?|sign|cried|shout\w*|yell\w*|whisper\w*)\b"
    r"|等[^,]{0,9}再|以后|之后|之前|的时候|如果|要是|秒后|分钟后|待会|说|喊|叫|意思"
)
_SEQUENCE = re.compile(r"\b(?:and|then|afterwards)\b|然后|再|接着")
_PLAN = re.compile(
    r"\b(?:go|walk|move|turn|run|spin|come|sit|lie|stand|step|jump|back|trot|dance|wave|bow|stretch|face|get|over|left"
    r"|right|forward|then|first|why|what|how|does|do|is|bus|train|mum|mom|dad)\b"
    r"|走|进|退|转|跳|坐|趴|站|跑|移|先|再|然后|看|等|到|过|为什么|什么|怎么|吗|妈|爸"
)
_CORRECTED = re.compile(
    r"\b(?:no|not|wait|actually|dont|never)$|^(?:no|not|dont|enough|you|youre|your|im|i)\b"
    r"|(?:不|不对|不是|错了|等等|够了?|行了|可以了?|好了)$|^(?:不|别|你)"
)
_TURNS = frozenset(["no", "wait", "just", "so", "了", "啊", "啦"])  # after these a new clause may begin without a pause
_LAST_CLAUSES = 2  # tried from the end, so that time stays linear


@dataclass(frozen=True, slots=True)
class Stop:
    """A command to stop that was heard."""

    label: str
    """"stop" or "damp"."""
    phrase: str
    """The words that say so, lower case and without apostrophes."""


def _tokens(text: str) -> list[str]:
    """Lower-case words, single Han characters and breaks; repetitions are one: panic reads like a calm voice."""
    plain = text.lower().replace("'", "").replace("\u2019", "").translate(_SIMPLE)
    tokens: list[str] = []
    last = ""
    for raw in _WORD.findall(plain):
        token = raw if raw[0].isalnum() else _BREAK
        if token == _BREAK:
            if tokens and tokens[-1] != _BREAK:
                tokens.append(_BREAK)
        elif token != last:
            tokens.append(token)
            last = token
        elif tokens[-1] == _BREAK:
            tokens.pop()
    return tokens


def _split(table: str, mark: str | None = None) -> list[str]:
    return [" ".join(phrase.split()) for phrase in table.split(mark)]


def _phrases() -> list[tuple[str, int]]:
    """Every phrase with its kind; some come twice, with two kinds."""
    rows = [(phrase, _OPEN) for phrase in _split(words.NAMES, "|")]
    for i, name in enumerate(_KINDS):
        rows += [(phrase, 1 << i) for phrase in _split(getattr(words, name), "|")]
    activities, gerunds = _split(words.ACTIVITIES), _split(words.GERUNDS)
    rows += [(f"{c} {g}", _STOP if g == "moving" else _CEASE) for c, g in product(_split(words.CEASERS, ","), gerunds)]
    rows += [(f"{r}{a}{e}", _CEASE) for r, a, e in product(_split(words.REFUSALS), activities, "了啦咯喽")]
    rows += [(f"停止{a}", _CEASE) for a in activities]
    for cut, motor in product(_split(words.CUTTERS, ","), _split(words.MOTORS, ",")):
        verb, _, particle = cut.rpartition(" ")
        rows += [(f"{cut} {motor}", _DAMP), (f"{verb} {motor} {particle}", _DAMP)]
    rows += [(f"{limper} {limp}", _DAMP) for limper, limp in product(_split(words.LIMPERS, ","), _split(words.LIMP))]
    for cut, motor in product(_split(words.HAN_CUTTERS), _split(words.HAN_MOTORS)):
        rows += [(f"{cut}{motor}", _DAMP), (f"{motor}{cut}", _DAMP)]
    rows += [(f"{s}{c}", _DAMP) for s, c in product(_split(words.HAN_STRENGTH), _split(words.HAN_LIMPERS))]
    rows += [(f"{d}{m}", _DAMP) for d, m in product(_split(words.DAMPERS), _split(words.HAN_DAMPING))]
    return rows


_Trie = dict[str, "_Trie | int"]
_END = ""


def _grow() -> _Trie:
    """The phrases as one trie over tokens; a leaf under `_END` holds the kinds."""
    root: _Trie = {}
    for phrase, kind in _phrases():
        node: _Trie = root
        for token, _ in groupby(_WORD.findall(phrase)):
            node = node.setdefault(token, {})  # type: ignore[assignment]
        node[_END] = kind | node.get(_END, 0)  # type: ignore[operator]
    return root


_ROOT = _grow()


def _longest(tokens: list[str], start: int) -> tuple[int, int] | None:
    """Kind and end of the longest phrase that begins at `start`."""
    node, found = _ROOT, None
    for end in range(start, len(tokens)):
        step = node.get(tokens[end])
        if not isinstance(step, dict):
            break
        node = step
        kind = node.get(_END)
        if isinstance(kind, int):
            found = kind, end + 1
    return found


def _stands(core: int, rest: list[str], after_break: bool, reason: bool) -> bool:
    """Whether a stop still holds when `rest`, not understood word by word, follows it."""
    if core == _WEAK or _says(_RESUMED, rest) or _says(_REMOVED, rest):
        return False
    if core == _STOP:
        return after_break or reason
    return (reason or (core == _DAMP and after_break)) and not _says(_SEQUENCE, rest)


def _says(pattern: re.Pattern[str], tokens: list[str]) -> bool:
    """Whether `pattern` occurs in the tokens, read with spaces (English) or without (Chinese)."""
    return bool(pattern.search(" ".join(tokens)) or pattern.search("".join(tokens)))


def _command(tokens: list[str], free_end: bool) -> _Core | None:
    """The strongest core of tokens that are wholly a command to stop; with `free_end` a reason may follow."""
    core, phrase = 0, ""
    requested = False
    i = 0
    while i < len(tokens):
        if tokens[i] == _BREAK:
            i += 1
            continue
        kinds, end = _longest(tokens, i) or (_REASON, i)
        if kinds >= _WEAK:
            kind = 1 << (kinds.bit_length() - 1)
            if kind > core:
                core, phrase = kind, _spelled(tokens[i:end])
        elif not core and not kinds & (_OPEN | _REQUEST):
            return None
        elif core and (kinds & _REASON or (kinds == _ASK and not requested)):
            if free_end and _stands(core, tokens[i:], tokens[i - 1] == _BREAK, bool(kinds & _REASON) and end > i):
                return core, phrase
            if not kinds & (_OPEN | _CLOSE):
                return None
            free_end = False
        requested = requested or bool(kinds & _REQUEST)
        i = end
    return (core, phrase) if core else None


def _spelled(tokens: list[str]) -> str:
    """The tokens as one would write them."""
    return ("" if any(not token.isascii() for token in tokens) else " ").join(tokens)


def _last_clause(tokens: list[str]) -> _Core | None:
    """The core of a last clause that commands a stop by itself, after clauses that are neither plan nor report."""
    starts = [i + 1 for i, token in enumerate(tokens[:-1]) if token == _BREAK or token in _TURNS]
    for start in starts[: -_LAST_CLAUSES - 1 : -1]:
        core = _command(tokens[start:], free_end=False)
        before = [t for t in tokens[:start] if t != _BREAK] if core and core[0] != _WEAK else []
        if before and not _says(_REMOVED, before) and (_says(_CORRECTED, before) or not _says(_PLAN, before)):
            return core
    return None


def find(text: str) -> Stop | None:
    """The stop or damp that `text`, any string, commands; None when it commands neither or when that is unclear.

    Time is linear in the length of the text.
    """
    tokens = _tokens(text)
    core, phrase = _command(tokens, free_end=True) or _last_clause(tokens) or (0, "")
    if core == _DAMP:
        first, _ = _longest(tokens, 0) or (_OPEN, 0)
        asked_about = text.rstrip().endswith(("?", "？")) and not first & _REQUEST
        return None if asked_about else Stop("damp", phrase)
    return Stop("stop", phrase) if core else None


def match(text: str) -> str | None:
    """The label of `find`."""
    found = find(text)
    return found.label if found else None
