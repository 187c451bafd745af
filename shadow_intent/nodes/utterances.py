"""Utterances and decisions as messages."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from shadow_intent import msg
from shadow_intent.intent import Decision, Route, Source, Utterance, is_chinese
from shadow_intent.nodes.convert import slots_to_msg, stamp_from_ns, stamp_to_ns
from shadow_intent.route import STOP

LAST_NS = 2**31 * 1_000_000_000 - 1
"""The last time a stamp holds; one with too many nanoseconds would lie beyond it."""


def utterance_of(message: msg.VoiceCommand, now_ns: int) -> Utterance:
    """A message whose stamp was left at zero was spoken now. A confidence of 0 or NaN is unknown."""
    confidence = message.asr_confidence
    return Utterance(
        text=message.text,
        language=message.language,
        asr_confidence=None if math.isnan(confidence) or confidence == 0.0 else confidence,
        session_id=message.session_id,
        stamp_ns=min(stamp_to_ns(message.header.stamp), LAST_NS) or now_ns,
    )


def voice_command(text: str, now: Time) -> msg.VoiceCommand:
    """A bare text as a voice command, spoken now."""
    return msg.VoiceCommand(header=Header(stamp=now), text=text, asr_confidence=math.nan)


def refusal(utterance: Utterance, now_ns: int, max_age_s: float) -> Decision | None:
    """An ignore for an utterance whose stamp or confidence cannot be acted on, None for a good one."""
    age_s = (now_ns - utterance.stamp_ns) * 1e-9
    confidence = utterance.asr_confidence
    if age_s > max_age_s:
        return ignored(utterance, f"stale: {age_s:.1f} s old, at most {max_age_s:g} s are acted on")
    if age_s < -max_age_s:
        return ignored(utterance, f"stamp lies {-age_s:.1f} s in the future: set the recogniser's clock")
    if confidence is not None and not 0.0 <= confidence <= 1.0:
        return ignored(utterance, f"asr_confidence is {confidence:g}, expected [0, 1] or NaN")
    return None


def ignored(utterance: Utterance, reason: str) -> Decision:
    """Nothing happens, for a reason other than the words."""
    return Decision(utterance, Route.IGNORE, "", 0.0, reason, Source.EDGE)


def stop_command(utterance: Utterance, now: Time) -> msg.SkillCommand:
    """A stop because of an utterance that may be one."""
    return msg.SkillCommand(
        header=Header(stamp=now),
        utterance_id=utterance.utterance_id,
        session_id=utterance.session_id,
        language=utterance.answer_language,
        label=STOP,
        source=Source.EDGE.value,
    )


def intent_to_msg(decision: Decision, redact: bool) -> msg.Intent:
    """The decision as a message; `redact` leaves the text out."""
    utterance = decision.utterance
    return msg.Intent(
        header=Header(stamp=stamp_from_ns(utterance.stamp_ns)),
        utterance_id=utterance.utterance_id,
        session_id=utterance.session_id,
        language=utterance.answer_language,
        text="" if redact else utterance.text,
        label=decision.label,
        probability=decision.probability,
        decision=decision.route.value,
        reason=decision.reason,
        source=decision.source.value,
        slots=slots_to_msg(decision.slots),
        latency_ms=decision.latency_ms,
    )


def reply_of(decision: Decision, now: Time) -> msg.Reply:
    """What the speaker is told about a decision."""
    return msg.Reply(
        header=Header(stamp=now),
        utterance_id=decision.utterance.utterance_id,
        text=decision.reply,
        language="zh" if is_chinese(decision.reply) else "en",
        final=True,
    )
