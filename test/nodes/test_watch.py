"""The live view shows what happened, and nothing it shows can steer the terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from rclpy.serialization import serialize_message
from rich.console import Console
from support import wait_for
from unitree_go.msg import SportModeState

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.watch import ROWS, Watcher

PATH_BYTES = 280
"""Of SportModeState's path_point, which comes last."""


def text_of(watcher: Watcher) -> str:
    console = Console(width=160, file=io.StringIO())
    console.print(watcher.picture())
    return console.file.getvalue()


def test_it_shows_utterance_skill_pose_and_health(ros, robot, person, skills):
    skills()
    watcher = ros(Watcher)
    assert "no message on /sportmodestate yet" in text_of(watcher)
    robot()
    wait_for(lambda: "standing" in text_of(watcher))
    wait_for(lambda: person._intent.get_subscription_count() == 3)
    person.say("sit", text="sit\x1b[2Jdown please")
    wait_for(lambda: "sit succeeded" in text_of(watcher))
    shown = text_of(watcher)
    assert "sit [2Jdown please" in shown and "\x1b" not in shown
    assert "sitting" in shown and "battery 87 %" in shown and "yaw +0°" in shown
    assert "last sent Sit" in shown
    wait_for(lambda: "skill_node: robot: following the robot" in text_of(watcher))


def test_a_robot_state_without_its_path_is_shown_too(ros, person):
    publisher = interfaces.SPORT_STATE.publisher(person)
    watcher = ros(Watcher)
    wait_for(publisher.get_subscription_count)
    publisher.publish(serialize_message(SportModeState(position=[4.5, 0.0, 0.0]))[:-PATH_BYTES])
    wait_for(lambda: "x +4.50 m" in text_of(watcher))


def test_refusals_come_with_their_reason_and_old_lines_go(ros, robot, person, skills):
    robot()
    skills()
    watcher = ros(Watcher)
    wait_for(lambda: person._intent.get_subscription_count() == 3)
    person.say("back_flip", text="flip!")
    wait_for(lambda: "back_flip refused: I may not do a back flip" in text_of(watcher))
    for number in range(ROWS):
        person.say("ignore", text=f"words {number}")
    wait_for(lambda: f"words {ROWS - 1}" in text_of(watcher))
    assert "flip!" not in text_of(watcher)


def test_one_robot_of_several_is_watched(ros, domain):
    watcher = ros(Watcher, "rex", "/rex")
    names = {name for name, _ in watcher.get_subscriber_names_and_types_by_node("watch", "/rex")}
    assert {"/rex/intent", "/rex/sportmodestate", "/rex/api/sport/request", "/diagnostics"} <= names
    assert "/sportmodestate" not in names


def test_the_command_ends_by_itself_and_prints_the_view(domain):
    command = [sys.executable, "-m", "shadow_intent", "watch", "--seconds", "0.5"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    process = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert process.returncode == 0, process.stderr.decode()
    assert "no diagnostics yet" in process.stdout.decode()
