"""`shadow-intent say`: one voice command and its story, line by line as it happens."""

from __future__ import annotations

import sys
from functools import partial

from shadow_intent import msg
from shadow_intent.intent import printable
from shadow_intent.nodes.interfaces import VOICE_COMMAND
from shadow_intent.nodes.witness import Sent, Story, Witness, witness

MATCH_S = 5.0
"""How long to look for the nodes, seconds."""


def say(text: str, language: str, timeout_s: float, namespace: str, robot_prefix: str) -> int:
    """Publishes and prints until the story is over; 0 when it came to its end within `timeout_s` seconds."""
    with witness(tell, namespace, robot_prefix) as node:
        if not node.wait(partial(node.ready, robot=True), MATCH_S) and not node.ready():
            print(f"error: {nobody(node)}", file=sys.stderr)
            return 2
        story = node.say(text, language, session_id="say")
        if not node.wait(lambda: node.over(story), timeout_s):
            print(f"error: after {timeout_s:g} s still waiting for {node.awaited(story)}", file=sys.stderr)
            return 1
    return 0


def nobody(node: Witness) -> str:
    """Where nobody hears, and what to do."""
    place = f"{node.resolve_topic_name(VOICE_COMMAND.name)} in ROS domain {node.context.get_domain_id()}"
    return f"no active intent_node hears {place}: start the nodes, or use the command that a running demo prints"


def tell(story: Story, message: object) -> None:
    """Prints one event."""
    line = describe(story, message)
    if line:
        print(f"{(story.last_at - story.began) * 1e3:8.1f} ms  {printable(line)}", flush=True)


def describe(story: Story, message: object) -> str:
    """One event in words; "" for one that tells nothing new, as the second of many Moves."""
    if isinstance(message, msg.Intent):
        return f"intent  {message.source}: {message.decision} {message.label} ({message.reason})"
    if isinstance(message, Sent):
        again = len(story.requests) > 1 and story.requests[-2].name == message.name == "Move"
        return "" if again else f"sent    {message}"
    if isinstance(message, msg.SkillCommand):
        return f"plan    step {message.step}: {message.label}"
    if isinstance(message, msg.SkillStatus):
        return f"status  {message.label} {message.state}" + (f": {message.reason}" if message.reason else "")
    if isinstance(message, msg.Reply):
        return f"reply   {message.text}" + ("" if message.final else " …")
    return ""
