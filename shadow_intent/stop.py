"""Stop and damp without a model: the words that must work when everything else is busy, late or broken.

An utterance matches when it is understood word by word: openings (fillers, names, politeness), a stop phrase, closings.
Beyond that:

- What follows a plain stop does not undo it: after a pause, a "please" or a second stop, or with a reason ("stop, there
  is a child", "halt please grandma is coming", "stop and sit") ceasing motion at once is safe, waiting for a plan is
  not. A schedule, a condition, a report or a taking back ("stop, in five seconds", "stop, no, keep going") undoes it.
- "Stop jumping and sit" is "not X, do Y" and so Y: after a stop that names its activity nothing else may be asked for.
- A clause alone may be the stop ("you are drifting, stop", "前面是台阶快停住"), unless what precedes it is a plan, a
  question, a denial or a report ("walk to the door, stop", "he said stop"). Damp, which makes a standing robot drop,
  then needs a danger ("his hand is stuck, motors off").

Where something else is asked for too (`Stop.more`) the robot ceases at once, and what the utterance is, the classifier
decides: "坐着别动" (sit, don't move) is a command with a stop in it. But of "stop, then turn left" (`Stop.first`) only
the stop is done: see `route.stopped_first`. A stop that fires wrongly makes the robot stand still for a moment; one
that does not fire may hurt somebody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shadow_intent.intent import MAX_UTTERANCE_CHARS
from shadow_intent.plain import asks
from shadow_intent.stop_lexicon import (
    ASK,
    BREAK,
    CEASE,
    CLOSE,
    DAMP,
    FAINT,
    FIRST,
    OPEN,
    PAUSE,
    REASON,
    REQUEST,
    STOP,
    WEAK,
    longest,
    tokens_of,
    words_of,
)

_Core = tuple[int, str, list[str]]
"""Kind of a core, its words, and what else was said."""
_LETTER = re.compile("[a-z]")


class _Words:
    """What may be said: patterns for words, which are parted by spaces, and for Han characters, which are not."""

    def __init__(self, words: str, han: str = "(?!)") -> None:
        self._words, self._han = re.compile(words), re.compile(han)

    def among(self, tokens: list[str]) -> bool:
        """Whether the tokens say any of it."""
        spaced = " ".join(tokens)
        if spaced.isascii():
            return bool(self._words.search(spaced))
        han = self._han.search(spaced.replace(" ", ""))
        return bool(han or (_LETTER.search(spaced) and self._words.search(spaced)))


_RESUMED = _Words(  # takes a stop back
    r"\b(?:keep (?:going|walking|it up)|carry on|continue|go on|never ?mind|kidding|joking|i mean|wait no|no wait"
    r"|actually|instead|scratch that|dont stop|on second thought|and go|and think)\b",
    r"继续|接着|算了|开玩笑|别停|不要停|改成|还是",
)
_REMOVED = _Words(  # puts it off, or shows that somebody reports it
    r"\b(?:(?:in|after|for) (?:\w+ ){1,3}(?:seconds?|secs?|minutes?|hours?|steps?|met(?:er|re)s?)"
    r"|in a (?:minute|second|moment)|when|if|once|after|until|till|unless|later|tomorrow|from|sa(?:id|ys|ying)|tell"
    r"|told|means?|sign|cried|shout\w*|yell\w*|whisper\w*)\b",
    r"等[^,]{0,9}再|以后|之后|之前|的时候|如果|要是|秒后|分钟后|待会|说|喊|叫|意思",
)
_ADMIRED = _Words(  # a "whoa" before it is no command
    r"^(?:, )?(?:(?:that|this|it|thats|its|youre|you|is|are|was|what|a|an|so|such|really|pretty|how|very) )*"
    r"(?:cool|awesome|amazing|nice|impressive|incredible|beautiful|cute|clever|smart|great|wicked|sick|brilliant|lovely)\b"
)
_EXCLAMATIONS = frozenset(["whoa", "woah", "whoah"])
_SEQUENCE = _Words(r"\b(?:and|then|afterwards)\b", r"然后|再|接着")
_PLAN = _Words(
    r"\b(?:go|walk|move|turn|run|spin|come|sit|lie|stand|step|jump|back|trot|dance|wave|bow|stretch|face|get|over|left"
    r"|right|forward|then|first|why|what|how|does|do|is|bus|train|mum|mom|dad)\b",
    r"走|进|退|转|跳|坐|趴|站|跑|移|先|再|然后|看|等|到|过|为什么|什么|怎么|吗|妈|爸",
)
_CORRECTED = _Words(
    r"\b(?:no|not|wait|actually|dont|never)$|^(?:no|not|dont|enough|you|youre|your|im|i)\b",
    r"(?:不|不对|不是|错了|等等|够了?|行了|可以了?|好了)$|^(?:不|别|你)",
)
_DOUBT = _Words(  # before a stop: it is denied, asked about, reported or somebody else's
    r"\b(?:emergency|not|dont|doesnt|didnt|never|cant|cannot|wont|wouldnt|if|when|why|what|how|where|who|did|does|do|to|of|the|a"
    r"|said|says|told|asked|he|she|they|we|his|her|their|my|mum|mom|dad|bus|train|car|music|nearly|almost|keep|and)\b",
    r"急$|不|没|别|莫|说|叫|让|喊|问|为|怎|什么|如果|等|才|想|会|能|他|她|它|们|人家|老师|妈|爸|车|到|把|再|先|就",
)
_DANGER = _Words(
    r"\b(?:stuck|caught|trapped|pinch\w*|fire|smoke|smok\w*|burn\w*|crush\w*|thrashing|wild|emergency|danger\w*)\b",
    r"夹|绞|缠|冒烟|着火|起火|烧|焦|失控|发疯|疯了|炸|卷|压到|压住|出事|伤到|危险|紧急",
)
_DENIED = _Words(
    r"\b(?:not|dont|never|cant|wont|didnt|if|when|why|what|how|where|did|does|should|to)\b",
    r"不要|别|没|不用|为什么|怎么|如果|等|就$|才$",
)
_MORE = "more"
_ELSE = _Words(  # beside a stop: something else is wanted too
    r"\b(?:more|and|then|go|walk|move|turn|run|spin|come|sit|lie|step|jump|back|trot|dance|wave|bow|stretch|face|pose"
    r"|pounce|flip|roll|slower|faster|switch|play|do|make|give|look|tell|say|kill|rotate|yaw|hips)\b",
    r"走|进|退|转|跳|坐|趴|躺|卧|跑|移|摔|然后|再|完了|顺便|告诉|摆|造型|倒立|空翻|比心|握手|鞠|谢幕|打滚|翻|扑|避障|声|灯"
    r"|慢|快点|拉伸|懒腰|屁股|音",
)
_ORDER = _Words(  # begins a plan or a question
    r"^(?:(?:please|ok|okay|now|first|you|can|could|robot|dog) )*(?:go|walk|move|turn|run|spin|come|sit|lie|step|jump"
    r"|back|trot|dance|wave|bow|stretch|face|get|why|what|how|does|do|is|are|did|where|who|mum|mom|dad)\b",
    r"^(?:请|你|先|机器狗|小狗)*(?:往|向|走|退|转|跳|坐|趴|跑|移|先|等|到|去|看到|听到|为什么|什么|怎么)|再|然后|吗",
)
_PRESSING = frozenset(
    ["please", "pls", "now", "right now", "immediately", "at once", "quick", "quickly", "马上", "立刻", "赶紧"]
)
"""After a stop they end it, as a pause does."""
_SENTENCE_END = re.compile(r"[.!。！\n]+")
_STATEMENT = 3
"""Words, or Han characters, from which what precedes a stop is more than a name called."""
_TURNS = frozenset(["no", "wait", "just", "so", "了", "啊", "啦"])  # after these a new clause may begin without a pause
_LAST_CLAUSES = 2  # tried from the end, so that time stays linear


@dataclass(frozen=True, slots=True)
class Stop:
    """A command to stop that was heard."""

    label: str
    """"stop" or "damp"."""
    phrase: str
    """The words that say so, lower case and without apostrophes."""
    more: bool = False
    """Something else is asked for too ("stop and sit"): the robot ceases, and others decide what the utterance is."""
    first: bool = False
    """It was said before what else is asked for, and plainly, not as "stop X-ing": nothing that follows it is done."""


def _stands(core: int, rest: list[str], after_break: bool, reason: bool) -> bool:
    """Whether a stop still holds when `rest`, not understood word by word, follows it."""
    if core in (WEAK, FAINT) or _RESUMED.among(rest) or _REMOVED.among(rest):
        return False
    if core == CEASE:
        return (reason or after_break) and not _ELSE.among(rest)
    if core == STOP:
        return after_break or reason
    return (reason or after_break) and not _SEQUENCE.among(rest)


def _command(tokens: list[str], free_end: bool) -> _Core | None:
    """The strongest core of tokens that are wholly a command to stop; with `free_end` other words may follow."""
    core, phrase, requested, pressed, i = 0, "", False, False, 0
    said: list[str] = []
    while i < len(tokens):
        if tokens[i] in (BREAK, PAUSE):
            i += 1
            continue
        kinds, end = longest(tokens, i) or (REASON, i)
        words = _spelled(tokens[i:end])
        if kinds >= FAINT:
            kind = 1 << (kinds.bit_length() - 1)
            said.append(words)
            if kind > core:
                core, phrase = kind, words
                if phrase in _EXCLAMATIONS and _ADMIRED.among(tokens[end:]):
                    core = 0
        elif not core and not kinds & (OPEN | REQUEST):
            return None
        elif core and (kinds & REASON or (kinds == ASK and not requested)):
            if free_end:
                rest, reason = tokens[i:], bool(kinds & REASON) and end > i
                if core == STOP and (worse := _command(rest, free_end=False)) and worse[0] == DAMP:
                    return worse  # "stop, no, emergency stop"
                paused = tokens[i - 1] in (BREAK, PAUSE) or _insists(core, said, pressed, rest)
                if _stands(core, rest, paused, reason):
                    return core, phrase, [*([_MORE] if core == CEASE and not reason else []), *rest]
            if not kinds & (OPEN | CLOSE):
                return None
            free_end = False
        pressed = pressed or bool(core and words in _PRESSING)
        requested = requested or bool(kinds & REQUEST)
        i = end
    return (core, phrase, [_MORE] if core == FAINT else []) if core else None


def _insists(core: int, said: list[str], pressed: bool, rest: list[str]) -> bool:
    """Whether the last of these stops is said again or is `pressed`, which is enough to go limp only in a danger.

    Of a single character ("停停车场") the third time counts.
    """
    phrase, times = said[-1], 3 if len(said[-1]) == 1 else 2
    doubled = len(phrase) > 3 and phrase == 2 * phrase[: len(phrase) // 2]
    if phrase not in _EXCLAMATIONS and (doubled or said[-times:] == [phrase] * times):
        return True
    return (pressed or phrase.split()[-1] in _PRESSING) and (core != DAMP or _DANGER.among(rest))


def _spelled(tokens: list[str]) -> str:
    """The tokens as one would write them."""
    return ("" if any(not token.isascii() for token in tokens) else " ").join(
        token for token in tokens if token != PAUSE
    )


def _clause(tokens: list[str]) -> _Core | None:
    """The core of a last clause that commands a stop by itself, after others that are neither plan nor report."""
    starts = [i + 1 for i, token in enumerate(tokens[:-1]) if token == BREAK or token in _TURNS]
    for start in starts[: -_LAST_CLAUSES - 1 : -1]:
        core = _command(tokens[start:], free_end=False)
        before = [t for t in tokens[:start] if t != BREAK] if core and core[0] > WEAK else []
        if not core or not before or _REMOVED.among(before):
            continue
        if _CORRECTED.among(before) or not _PLAN.among(before):
            return core[0], core[1], []
        if core[0] == DAMP and _DANGER.among(before):
            return core[0], core[1], []
        if core[0] == STOP and len(before) >= _STATEMENT and not _ORDER.among(before):
            return core[0], core[1], before
    return None


def _within(tokens: list[str]) -> _Core | None:
    """A stop at the end of a clause that begins otherwise, among words that neither deny nor report it.

    For damp the words must also tell of a danger: it drops a standing robot.
    """
    tried = 0
    for i in range(len(tokens) - 1, 0, -1):
        if tokens[i] not in FIRST:
            continue
        kinds, end = longest(tokens, i) or (0, i)
        if not kinds & (STOP | DAMP) or end - i < 2:
            continue
        tried += 1
        end = next((k for k in range(end, len(tokens)) if tokens[k] == BREAK), len(tokens))
        core = _command(tokens[i:end], free_end=False)
        before, rest = tokens[:i], [*tokens[:i], *tokens[end:]]
        if core and not _REMOVED.among(tokens) and not _RESUMED.among(tokens[end:]):
            if core[0] == STOP and not _DOUBT.among(before):
                return STOP, core[1], [_MORE, *rest]
            if core[0] == DAMP and _DANGER.among(rest) and not _DENIED.among(before):
                return DAMP, core[1], []
        if tried == _LAST_CLAUSES:
            break
    return None


def _once(text: str) -> str:
    """The text, or the sentence that it repeats: "断电。断电" must not read as one stammered word."""
    sentences = {part.strip().lower() for part in _SENTENCE_END.split(text)} - {""}
    return sentences.pop() if len(sentences) == 1 and not asks(text) else text


def find(text: str) -> Stop | None:
    """The stop or damp that `text`, any string, commands; None when it commands neither or when that is unclear.

    Time is linear in the length of the text; one beyond MAX_UTTERANCE_CHARS is not read, or a flood of long messages
    would keep the listener busy when the next stop comes.
    """
    if len(text) > MAX_UTTERANCE_CHARS:
        return None
    words = words_of(_once(text))
    tokens = tokens_of(words)
    found = _find(tokens, text)
    if found is None and len(tokens) < len(words):  # "stop it, it hurts", "停下，下面有人"
        found = _find(tokens_of(words, stammered=False), text)
    return found


def _find(tokens: list[str], text: str) -> Stop | None:
    """The stop of these tokens of `text`."""
    leading = _command(tokens, free_end=True)
    core, phrase, rest = leading or _clause(tokens) or _within(tokens) or (0, "", [])
    more = _ELSE.among(rest)
    leads = more and leading is not None and core in (STOP, DAMP)
    if core == DAMP:
        first, _ = longest(tokens, 0) or (OPEN, 0)
        asked_about = asks(text) and not first & REQUEST
        return None if asked_about else Stop("damp", phrase, more, leads)
    return Stop("stop", phrase, more, leads) if core else None


def match(text: str) -> str | None:
    """The label of `find`."""
    found = find(text)
    return found.label if found else None
