"""Words that a sure classifier is not believed in spite of.

A yes that is none, a movement that is forbidden, a command to another assistant.
"""

from __future__ import annotations

import re
from dataclasses import replace

from shadow_intent.gate import FAST_PATH
from shadow_intent.intent import Decision, Route
from shadow_intent.plain import asks, lowered
from shadow_intent.route import AFFIRM, DENY

_ASSISTANTS = "alexa|siri|cortana|bixby"
"""Names that are wake words without a "hey"."""
_SOMEBODY_ELSES = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]|[\[\]{}<>|\\=_#*`]"
    r"|(?<!我)(?:说|讲)|告诉|写着|写的|念|(?<!\bi )(?<!\bi've )\b(?:says?|said|tells?|told)\b"
    r"|\b(?:reads?|reading|writes?|written|shirt|sign|poster|screen)\b"
    r"|\b(?:system|assistant|user|admin|cloud)\b *[:：]"
    rf"|\b(?:google|{_ASSISTANTS})\b|小爱|小度|天猫精灵",
    re.IGNORECASE,
)
"""Another's yes that is passed on or read out, one to another device, or signs that no speech recogniser writes."""
_TAKEN_BACK = re.compile(
    r"\b(?:dont|do not|(?<!why )(?<!ever )not(?: (?:yet|now|here|you|me|today|this|that|sure))?|(?<!cant )wait)\W*$"
    r"|\b(?:maybe|later|tomorrow|but (?:not|dont|wait|first|im|i am))\b"
    r"|(?<!没)(?<!怎么)(?<!干嘛)(?<!为什么)(?:先?别|(?<!可)不要?|等等|等一下|等会儿?|再说|晚点儿?|待会儿?|一会儿?|过会儿|以后|明天)[吧啊呀]*\W*$"
    r"|^\W*(?:可以|好|行|够)了[吧啊呀]?\W*$"
)
"""A yes that is taken back or put off, and "可以了", which also means that it is enough."""
_YES_FIRST = re.compile(
    r"^\W*(?:(?:well|oh|um|uh|er|ok|okay|right|嗯|哦|呃|啊)\W*)*"
    r"(?:(?:yes|yeah|yep|yup|sure|ok|okay|affirmative|confirmed|go ahead|do it)\b|好|可以|行|是|对|嗯|同意|确认|要)"
)
_YES_AGAIN = re.compile(
    r"\b(?:yes|yeah|go ahead|confirm(?:ed)?|affirmative|proceed)\b|可以|好的|好吧|行吧|同意|确认|确定"
)
_CONSENT = re.compile(
    rf"{_YES_AGAIN.pattern}|\b(?:yep|yup|aye|ok|okay|go for it|go on|do it|please do|by all means|of course)\b"
    r"|是的|没错|批准|继续|没问题|当然|来吧"
)
"""In many words one of these must be said."""
_MANY = 6
"""Words, or twice as many Chinese characters, beyond which what a classifier takes for a yes may be other talk."""
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]{1,2}")
_NOT_REFUSING = re.compile(
    r"\b(?:why (?:ever )?not|if you (?:must|like|want|wish|insist|will)"
    r"|when(?:ever)? (?:you are |youre |you feel )?ready"
    r"|no (?:problem|worries|objections?|need to (?:ask|wait)|doubt|kidding)|(?:dont|wouldnt|do not) mind"
    r"|dont (?:worry|wait|hesitate|be shy|see why not)|cant (?:wait|see why not)|not a problem|wont hurt)\b"
    r"|(?:干嘛|干吗|怎么|为什么|何)不|拗不过|不过|没(?:问题|意见|关系|错|事)|别(?:怕|担心|客气|磨蹭|等)"
    r"|不(?:错|介意|反对|客气|用(?:等|问|怕|担心|客气|确认)|会错|要紧|是不(?:行|可以))"
)
"""Negations that a yes may hold."""
_PUT_OFF = re.compile(
    r"\b(?:if|unless|until|till|once|when|whenever|after|before|as soon as|provided|kidding|joking|not|never|cannot"
    r"|on (?:my (?:signal|mark|count|command|go|word)|the|three|two|one|\d)"
    r"|(?:do|does|did|should|would|must|could|can|will|wo|ca|is|are|was|have|has|need)nt)\b"
    r"|如果|要是|除非|等我|等他|等她|等你|数到|才怪|开玩笑|[不别勿甭]"
)
"""Behind a yes: a condition, a later time or a negation."""
_FORBIDDEN = re.compile(
    r"^\W*(?:(?:please|robot|dog|hey|ok(?:ay)?|no|and|but)\W+)*"
    r"(?:(?:do ?nt|dont|do not) (?:you )?(?:ever |even )?(?:dare|think|try)"
    r"|(?:you|it) (?:must|should|can|may|shall|need|are|were|will|do) ?(?:not|nt)(?: to| allowed to)?"
    r"|you (?:cannot|cant|mustnt|shouldnt|neednt|wont|dont)|cannot|never|no need (?:to|for)|theres no need)\b"
    r"|^[\W请你小狗机器人]*(?:不能|不可以|不准|不许|不得|禁止|无需|无须|休想|别想|谁让|谁叫|没让|没叫|没说)"
    r"|(?<!行)(?:不行|不允许|免谈|没门)[啊呀吧的]*\W*$"
)
_BUT = re.compile(
    r"[,;:，；：。.!！]|(?<=[\u3400-\u9fff]) +|你.*让你|而是|要|改|只|是让|就"
    r"|\b(?:but|just|only|instead|rather|i said|no|until|without)\b"
)
"""Something else is wanted behind it."""

_WAKE_WORD = (
    rf"(?:(?:(?:hey|hi|ok|okay)\W+)?(?:{_ASSISTANTS})|(?:hey|hi|ok|okay)\W+google"
    r"|[嘿嗨]\W*siri|小爱同学|天猫精灵|小度小度|小艺小艺|小布小布)"
)
_TO_ANOTHER = re.compile(
    rf"^\W*{_WAKE_WORD}(?![a-z])(?!\W*(?:is|was|has|does|cant|can|will|would|said|says|told|[是说会能不比])(?![a-z]))"
    rf"|[,，]\W*{_WAKE_WORD}\W*$"
)
"""Called by a wake word, not spoken of."""


def doubted(text: str) -> str:
    """Why a yes in `text` is not the speaker's own or none at all, "" when nothing speaks against it."""
    if (found := _SOMEBODY_ELSES.search(text)) is not None:
        return f"not the speaker's own yes: {found.group()!r}"
    return "a yes that asks" if asks(text) else ""


def plain_yes(decision: Decision) -> Decision:
    """A yes that is not the speaker's own, asks, or is lost in many words confirms nothing; one taken back is a no.

    However sure the classifier is: a yes may set a hazardous skill in motion.
    """
    if decision.label != AFFIRM or decision.route is not Route.SKILL:
        return decision
    text = decision.utterance.text
    if reason := doubted(text):
        return replace(decision, route=Route.IGNORE, reason=reason)
    words = lowered(text)
    found, yes_first = _TAKEN_BACK.search(words), _YES_FIRST.match(words)
    if found is None and yes_first is not None:
        later = _put_off(words[yes_first.end() :])
        found = later if later is not None and _YES_AGAIN.search(later.string[later.end() :]) is None else None
    if found is not None:
        return replace(decision, label=DENY, reason=f"a yes taken back or put off: {found.group().strip()!r}")
    if yes_first is None and len(_WORD.findall(words)) > _MANY and not _consents(words):
        return replace(decision, route=Route.IGNORE, reason="many words, and none of them a plain yes")
    return decision


def _consents(words: str) -> bool:
    """Whether a plain yes is said and nothing behind the last one puts it off."""
    ends = [found.end() for found in _CONSENT.finditer(words)]
    return bool(ends) and _put_off(words[ends[-1] :]) is None


def _put_off(rest: str) -> re.Match[str] | None:
    """What puts off the yes that stands before `rest`."""
    return _PUT_OFF.search(_NOT_REFUSING.sub("", rest))


def not_forbidden(decision: Decision, moves: bool) -> Decision:
    """What forbids a movement ("you must not walk forward") or asks whether to go limp ("motors off?") is asked about.

    `moves`: the decision's skill moves the body.
    """
    if decision.route is not Route.SKILL or not (moves or decision.label == "damp"):
        return decision
    words = lowered(decision.utterance.text)
    found = _FORBIDDEN.search(words) if moves else None
    if found is not None and _BUT.search(words[found.end() :]) is None:
        reason = f"it may be forbidden: {found.group().strip()!r}"
    elif decision.label == "damp" and asks(words):
        reason = "it asks whether to go limp"
    else:
        return decision
    return replace(decision, route=Route.REMOTE, reason=reason, alternatives=(decision.label,))


def not_anothers(decision: Decision) -> Decision:
    """What another assistant is told ("alexa, volume down") is not for the robot.

    A stop stays one: somebody may have called the wrong machine in a hurry.
    """
    if decision.route is not Route.SKILL or decision.label in FAST_PATH:
        return decision
    if (found := _TO_ANOTHER.search(lowered(decision.utterance.text))) is None:
        return decision
    return replace(decision, route=Route.IGNORE, reason=f"said to another assistant: {found.group().strip(' ,，')!r}")
