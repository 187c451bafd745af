"""Asking back: what the robot says when it is unsure and no cloud can tell, and what the answer means.

    speaker: sit town                    unsure: p(sit) = 0.52 < 0.83, next lie_down; the cloud is away
    robot:   Did you mean sit down or lie down?
    speaker: the first one               sit

An answer names a skill, or its place in the question, or says yes or no. Anything else that is meant for the robot ends
the question; what is not leaves it open. The robot never picks one itself. Whether to do a plan that the
words do not surely say is asked too: "Did you mean turn left, then say hello? Say yes or no."
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shadow_intent import slots
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import Decision, Route, Slots, Source, is_chinese
from shadow_intent.route import AFFIRM, DENY, asking_back
from shadow_intent.skills import SkillTable
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
_BEFORE = r"(?:(?:um|uh|{no}yes|yeah|please|i mean|i meant|i said|its) )?[嗯呃哦是选要对我说的]*"
_AFTER = r"(?: please| thanks| thank you|[吧啊呀的]+)?"
_ANSWERS = tuple(
    re.compile(_BEFORE.replace("{no}", "" if core is _YES else "no|不|不是|") + f"(?:{core}){_AFTER}")
    for core in (_FIRST, _SECOND, _YES, _NO)
)
_SIDES = frozenset(["move_left", "move_right", "turn_left", "turn_right"])
"""Asked about these, "right" may be a direction."""
_AGREED = re.compile(
    r"(?:yes|yeah|yep|yup|sure|okay|ok)(?: (?:yes|yeah|please|sure|do|do it|do that|go ahead|thanks|thank you))*"
    r"|(?:yes |yeah )?(?:thats|that is) (?:right|it|correct)|(?:please )?(?:go ahead|do it|do that|do)(?: please)?"
    r"|[嗯对是的]*(?:好|行|可以|是|对|嗯|没错|没问题|要)[的啊呀吧呢了啦]*"
)
_DOUBT = re.compile(r"\b(?:no|not|dont|never|right|wrong)\b|[不别吗么没说要改]")
"""Words that leave a yes in doubt."""
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
    meant = _meant(asked, heard, skills)
    if meant in asked.labels:
        said = heard.slots if heard.label == meant else Slots()
        return _chosen(asked, heard, meant, said), None
    if meant == AFFIRM and not asked.repeated:
        again = replace(asked, repeated=True)
        reason = f"a yes to one of two: {' / '.join(asked.labels)}"
        return replace(heard, route=Route.IGNORE, reason=reason, reply=again.text(skills)), again
    if meant in (AFFIRM, DENY):
        reason, reply = f"not {' / '.join(asked.labels)}", sentence("say_differently", asked.language)
        return replace(heard, route=Route.IGNORE, reason=reason, reply=reply), None
    return heard, asked if heard.route is Route.IGNORE else None


def yes_or_no(heard: Decision) -> bool | None:
    """What an utterance answers to a question about a plan; None for no answer. A no wins, also inside a yes.

    "Right" alone is none: it may be a direction.
    """
    if heard.source is Source.STOP or not heard.label:
        return None
    text = _plain(heard)
    if _ANSWERS[3].fullmatch(text) or heard.label == DENY:
        return False
    if _AGREED.fullmatch(text.replace(" ", "") if is_chinese(text) else text):
        return True
    return True if heard.route is Route.SKILL and heard.label == AFFIRM and not _DOUBT.search(text) else None


def _plain(heard: Decision) -> str:
    """Lower case, simplified, without marks."""
    return " ".join(_MARKS.sub(" ", heard.utterance.text.lower().replace("'", "").translate(_SIMPLE)).split())


def _meant(asked: Question, heard: Decision, skills: SkillTable) -> str:
    """One of the labels asked about, affirm (of two), deny, or "" for no answer."""
    plain = _plain(heard)
    first, second, yes, no = (answer.fullmatch(plain) for answer in _ANSWERS)
    if first or (second and len(asked.labels) == 2):
        return asked.labels[0 if first else 1]
    if yes or no:
        either_side = "right" in plain.split() and not _SIDES.isdisjoint(asked.labels)
        return _agreed(asked) if yes and not either_side else DENY
    if heard.route is Route.SKILL:
        return _agreed(asked) if heard.label == AFFIRM else heard.label
    named = [label for label in asked.labels if any(_holds(plain, name) for name in skills[label].name.values())]
    return named[0] if len(named) == 1 else ""


def _agreed(asked: Question) -> str:
    """What a yes means: of two it says nothing yet."""
    return asked.labels[0] if len(asked.labels) == 1 else AFFIRM


def _holds(text: str, name: str) -> bool:
    """Whether the name of a skill occurs in the text."""
    return name in text if is_chinese(name) else f" {name} " in f" {text} "


def _chosen(asked: Question, heard: Decision, label: str, said: Slots) -> Decision:
    """The skill the speaker meant, with the quantities of the first utterance unless the answer names others."""
    first, unclear = slots.read(asked.decision.utterance.text, label)
    amounts = Slots.from_dict({**first.as_dict(), **said.as_dict()})
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
    return asking_back(chosen, None if said != Slots() else unclear)
