"""Asking back: what the robot says when it is unsure and no cloud can tell, and what the answer means.

    speaker: sit town                    unsure: p(sit) = 0.52 < 0.83, next lie_down; the cloud is away
    robot:   Did you mean sit down or lie down?
    speaker: the first one               sit

An answer names a skill, with amounts or without, or its place in the question, or says yes or no, and little besides.
Anything else that is meant for the robot ends the question; what is not leaves it open. The robot never picks one
itself. Whether to do a plan that the words do not surely say is asked too: "Did you mean turn left, then say hello? Say
yes or no."
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shadow_intent import slots
from shadow_intent.caution import doubted
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import NO_SLOTS, Decision, Route, Slots, Source, is_chinese
from shadow_intent.plain import lowered
from shadow_intent.quantities import Reader
from shadow_intent.route import AFFIRM, DENY, IGNORE, asking_back
from shadow_intent.skills import Skill, SkillTable
from shadow_intent.speech import A_LITTLE, AMOUNTS, SPEED_NAMES, sentence

_FIRST = r"(?:(?:the|option|number) )*(?:first|1st|former|one|1)(?: one)?|第?[一1][个种项]?|前面?[一那]?[个种项]|前者"
_SECOND = (
    r"(?:(?:the|option|number) )*(?:second|2nd|latter|two|2)(?: one)?|第?[二2两][个种项]?|后面?[一那]?[个种项]|后者"
)
_YES = r"yes|yeah|yep|yup|sure|right|correct|exactly|是|对|好|行|没错"
_NO = (
    r"no|nope|nah|not that|(?:neither|none)(?: of (?:them|those|these|the two))?"
    r"|不|不是|不对|不要|不用|没有|(?:两个|俩)?都不(?:是|对|要)|一个都不是"
)
_FILLERS = "um|uh|er|well|ok|okay|yes|yeah|yep|yup|sure|please|i mean|i meant|i said|its"
_HAN_FILLERS = "(?:我说|[嗯呃哦好是选要对我的请就])*"
_BEFORE = f"(?:(?:{{no}}{_FILLERS}) )*{_HAN_FILLERS}"
_AFTER = r"(?: please| thanks| thank you|[吧啊呀的]+)?"
_ANSWERS = tuple(
    re.compile(_BEFORE.replace("{no}", "" if core is _YES else "no|不|不是|") + f"(?:{core}){_AFTER}")
    for core in (_FIRST, _SECOND, _YES, _NO)
)
_LEAD = re.compile(f"(?:(?:{_FILLERS}|the|an?|just|hey|robot) )*{_HAN_FILLERS}")
_TAIL = re.compile(r"(?: (?:one|please|now|thanks|thank you))*[吧啊呀的]*(?:谢谢)?")
_HOW = re.compile(
    r"\b(?:(?:very )?slowly|fast|quickly|at normal speed|a (?:little )?bit|a little)\b"
    r"|慢慢地?|[慢快](?:一?[点些])?地?|快速|正常速度|一点点?|一些"
)
"""Amounts without a number, which `slots` reads."""
_SIDES = frozenset(["move_left", "move_right", "turn_left", "turn_right"])
"""Asked about these, "right" may be a direction."""
_AGREED = re.compile(
    r"(?:yes|yeah|yep|yup|sure|okay|ok)(?: (?:yes|yeah|please|sure|do|do it|do that|go ahead|thanks|thank you))*"
    r"|(?:yes |yeah )?(?:thats|that is) (?:right|it|correct)|(?:please )?(?:go ahead|do it|do that|do)(?: please)?"
    r"|[嗯对是的]*(?:好|行|可以|是|对|嗯|没错|没问题|要)(?:[的啊呀吧呢]+啦?)?"
)
_DOUBT = re.compile(r"\b(?:no|not|dont|never|right|wrong)\b|[不别吗么没说要改]|(?:好|行|够|可以)[了啦]")
"""Words that leave a yes in doubt; "好了" also means that it is enough."""
CHOSE = "the speaker chose"
"""Begins the reason of an answer: its words alone, such as "yes", do not mean the label."""
_SIMPLE = str.maketrans("個兩後選對說種項嗎", "个两后选对说种项吗")
_MARKS = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Question:
    """What the speaker was asked."""

    decision: Decision
    """The one the robot was unsure about."""
    labels: tuple[str, ...]
    """One or two skills, in the order they were named."""
    language: str
    """In which it is asked, "en" or "zh"."""
    repeated: bool = False
    """A yes to a choice of two was asked about already."""

    def text(self, skills: SkillTable) -> str:
        """As the robot says it."""
        names = [skills[label].name[self.language] for label in self.labels]
        if len(names) == 1:
            return sentence("did_you_mean", self.language, name=names[0])
        key = "which_one" if self.repeated else "did_you_mean_either"
        return sentence(key, self.language, first=names[0], second=names[1])


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """A plan that the speaker was asked about."""

    decision: Decision
    """The open request."""
    steps: tuple[Step, ...]
    language: str
    """In which it is asked, "en" or "zh"."""
    source: Source
    """Who made it."""
    reply: str = ""
    """What the cloud would have said, spoken when the plan is done."""

    def text(self, skills: SkillTable) -> str:
        """As the robot says it, with every quantity."""
        joint = "，然后" if self.language == "zh" else ", then "
        steps = joint.join(_told(step, skills, self.language) for step in self.steps)
        return sentence("did_you_mean", self.language, name=steps)


def _told(step: Step, skills: SkillTable, language: str) -> str:
    said = step.slots.as_dict()
    amounts = [AMOUNTS[name][language == "zh"].format(f"{value:g}") for name, value in said.items() if name != "speed"]
    if step.slots.little:
        amounts.append(A_LITTLE[language == "zh"])
    if "speed" in said:
        amounts.append(SPEED_NAMES[said["speed"]][language == "zh"])
    name = skills[step.label].name[language]
    return "".join([name, *amounts]) if language == "zh" else " ".join([name, *amounts])


def question(decision: Decision, language: str, skills: SkillTable) -> Question | None:
    """What to ask about an unsure decision; None when there is no skill the speaker can be asked about."""
    labels = tuple(a for a in decision.alternatives if skills[a].action not in ("confirmation", "none"))
    return Question(decision, labels, language) if labels else None


def answer(asked: Question, heard: Decision, skills: SkillTable) -> tuple[Decision, Question | None]:
    """What the next utterance comes to, decided so far as `heard`, and the question that is still open."""
    if heard.source is Source.STOP:
        return heard, None
    meant, said = _meant(asked, heard, skills)
    if meant in asked.labels:
        return _chosen(asked, heard, meant, said), None
    if meant == AFFIRM and not asked.repeated:
        again = replace(asked, repeated=True)
        reason = f"a yes to one of two: {' / '.join(asked.labels)}"
        return replace(heard, route=Route.IGNORE, reason=reason, reply=again.text(skills)), again
    if meant in (AFFIRM, DENY):
        reason, reply = f"not {' / '.join(asked.labels)}", sentence("say_differently", asked.language)
        return replace(heard, route=Route.IGNORE, reason=reason, reply=reply), None
    if not meant and heard.label == AFFIRM and heard.route is not Route.IGNORE:  # nor may it answer another question
        return replace(heard, route=Route.IGNORE, reason="no clear yes or no"), asked
    return heard, asked if heard.route is Route.IGNORE and not heard.reply else None


def yes_or_no(heard: Decision) -> bool | None:
    """What an utterance answers to a question about a plan; None for no answer. A no wins, also inside a yes.

    "Right" alone is none: it may be a direction.
    """
    if heard.source is Source.STOP or _refused(heard):
        return None
    text = _plain(heard.utterance.text)
    if _ANSWERS[3].fullmatch(text) or heard.label == DENY:
        return False
    if doubted(heard.utterance.text):
        return None
    return True if _agrees(text) or (_sure_yes(heard) and not _DOUBT.search(text)) else None


def _refused(heard: Decision) -> bool:
    """Whether it was ignored for something other than being talk: unfit, no plain yes, or an unclear amount."""
    return heard.route is Route.IGNORE and heard.label != IGNORE


def _sure_yes(heard: Decision) -> bool:
    return heard.route is Route.SKILL and heard.label == AFFIRM


def _agrees(text: str) -> bool:
    return _AGREED.fullmatch(text.replace(" ", "") if is_chinese(text) else text) is not None


def _plain(text: str) -> str:
    """Lower case, simplified, without marks."""
    return " ".join(_MARKS.sub(" ", lowered(text).translate(_SIMPLE)).split())


def unled(text: str) -> str:
    """The same without what may stand before the name of a skill, such as "yes, I mean"."""
    return _LEAD.sub("", _plain(text), count=1)


def _meant(asked: Question, heard: Decision, skills: SkillTable) -> tuple[str, Slots]:
    """One of the labels asked about, affirm (of two), deny, or "" for no answer; and the amounts said with it."""
    text, plain = heard.utterance.text, _plain(heard.utterance.text)
    if _refused(heard):
        return "", NO_SLOTS
    first, second, yes, no = (answer.fullmatch(plain) for answer in _ANSWERS)
    if no:
        return DENY, NO_SLOTS
    if not doubted(text):
        if first or (second and len(asked.labels) == 2):
            chosen = asked.labels[0 if first else 1]
            return chosen, heard.slots if heard.label == chosen else NO_SLOTS
        if yes:
            either_side = "right" in plain.split() and not _SIDES.isdisjoint(asked.labels)
            return DENY if either_side else _agreed(asked), NO_SLOTS
    if heard.route is Route.SKILL and heard.label != AFFIRM:
        return heard.label, heard.slots
    named = [(label, said) for label in asked.labels if (said := _named(text, skills[label])) is not None]
    if named and not doubted(text):
        return named[0]
    agreed = not doubted(text) and (_agrees(plain) or (_sure_yes(heard) and not _DOUBT.search(plain)))
    if not agreed:
        return "", NO_SLOTS
    label = _agreed(asked)
    said, unclear = slots.read(text, label)  # "yes, slowly"
    return (label, said) if unclear is None else ("", NO_SLOTS)


def _agreed(asked: Question) -> str:
    """What a yes means: of two it says nothing yet."""
    return asked.labels[0] if len(asked.labels) == 1 else AFFIRM


def _named(text: str, skill: Skill) -> Slots | None:
    """The amounts said with the name of a skill; None when anything but fillers is said besides."""
    if _is_name(text, skill):
        return NO_SLOTS
    said, unclear = slots.read(text, skill.label)
    read = Reader(text)
    if unclear is not None or len(read.quantities) > sum(name != "speed" for name in said.as_dict()):
        return None
    words = ("" if is_chinese(text) else " ").join(read.uncounted())
    return said if said != NO_SLOTS and _is_name(_HOW.sub("", words), skill) else None


def _is_name(text: str, skill: Skill) -> bool:
    """Whether a text says the name of a skill and nothing but fillers."""
    rest = unled(text)
    return any(rest.startswith(name) and _TAIL.fullmatch(rest, len(name)) for name in skill.name.values())


def _chosen(asked: Question, heard: Decision, label: str, said: Slots) -> Decision:
    """The skill the speaker meant, with the amounts of the first utterance unless the answer names others."""
    first, unclear = slots.read(asked.decision.utterance.text, label)
    kept = {name: value for name, value in first.as_dict().items() if name == "speed" or not said.little}
    amounts = Slots.from_dict({**kept, **said.as_dict()})
    little = said.little or (first.little and not set(said.as_dict()) - {"speed"})
    chosen = replace(
        heard,
        route=Route.SKILL,
        label=label,
        probability=1.0,
        reason=f"{CHOSE} {label} of {' / '.join(asked.labels)}",
        slots=replace(amounts, little=little),
        alternatives=(),
    )
    return asking_back(chosen, unclear if replace(said, speed=None) == NO_SLOTS else None)
