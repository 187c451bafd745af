"""The Fast DDS profile without which no node of ours may join a robot's network.

A Go2 runs CycloneDDS 0.10.2. Fast DDS 3 announces each topic with an XTypes type object, and that version of
CycloneDDS crashes on receiving one (SIGSEGV in ddsi_xt_type_init_impl): the robot's own services die. With the
participant property `fastdds.type_propagation` set to `disabled` both sides match by type name. Fast DDS reads its
profile when the first participant is made, so `use_safe_profile` comes before `rclpy.init()`. CycloneDDS as RMW does
not have the fault.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import rclpy

from shadow_intent.errors import ConfigError, RobotError
from shadow_intent.resources import share_path

PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE"
"""Where Fast DDS looks for a profile file."""
CYCLONE = "rmw_cyclonedds_cpp"
WITHOUT_RANGE = ("foxy", "galactic", "humble")
"""Distributions that do not know ROS_AUTOMATIC_DISCOVERY_RANGE; only ROS_LOCALHOST_ONLY keeps them on this machine."""
_PROPERTY, _SAFE = "fastdds.type_propagation", "disabled"


def use_safe_profile() -> None:
    """Selects config/fastdds.xml for this process and its children, unless the user chose a profile file.

    Call it before `rclpy.init()`; raises ConfigError when that came first, because then it would have no effect, and
    RobotError when what the user chose is unsafe: the first announcement of a participant, whatever it is for, may
    reach a robot. Only where discovery is limited to this machine may DDS be as it likes.
    """
    if not os.environ.get(PROFILE_VARIABLE):
        if rclpy.ok():
            raise ConfigError("the Fast DDS profile must be chosen before rclpy.init(): call use_safe_profile() first")
        os.environ[PROFILE_VARIABLE] = str(share_path("config", "fastdds.xml"))
    if not _stays_on_this_machine() and (reason := unsafe_reason()) is not None:
        raise RobotError(reason)


def _stays_on_this_machine() -> bool:
    if os.environ.get("ROS_LOCALHOST_ONLY") == "1":
        return True
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    named = reach == "LOCALHOST" and bool(os.environ.get("ROS_STATIC_PEERS"))  # those are reached all the same
    return reach in ("LOCALHOST", "OFF") and not named and os.environ.get("ROS_DISTRO") not in WITHOUT_RANGE


def unsafe_reason() -> str | None:
    """Why this process must not talk to a real robot, with what to do; None when it may."""
    rmw = rclpy.get_rmw_implementation_identifier()
    if rmw == CYCLONE:
        return None
    advice = f"unset {PROFILE_VARIABLE} or set RMW_IMPLEMENTATION={CYCLONE}; the robot's services would crash"
    if not rmw.startswith("rmw_fastrtps"):
        return f"RMW {rmw} was never tried with CycloneDDS 0.10.2: {advice}"
    path = os.environ.get(PROFILE_VARIABLE)
    if not path:
        return f"no Fast DDS profile is in force: call use_safe_profile() before rclpy.init(); {advice}"
    try:
        value = _type_propagation(Path(path))
    except (OSError, ElementTree.ParseError) as error:
        return f"the Fast DDS profile {path} cannot be read ({error}): {advice}"
    if value != _SAFE:
        return f"the Fast DDS profile {path} has {_PROPERTY} = {value or 'unset'}, expected {_SAFE}: {advice}"
    return None


def _type_propagation(path: Path) -> str | None:
    """The property's value in the default participant profile of a Fast DDS XML file."""
    for participant in ElementTree.parse(path).iterfind(".//{*}participant"):
        if participant.get("is_default_profile") != "true":
            continue
        for entry in participant.iterfind(".//{*}property"):
            if entry.findtext("{*}name", "").strip() == _PROPERTY:
                return entry.findtext("{*}value", "").strip().lower()
    return None
