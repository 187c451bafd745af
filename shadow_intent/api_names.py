"""What Unitree calls its API ids (unitree_sdk2_python, go2/*/*_api.py), for people to read."""

from __future__ import annotations

NAMES: dict[str, dict[int, str]] = {
    "sport": {
        1001: "Damp",
        1002: "BalanceStand",
        1003: "StopMove",
        1004: "StandUp",
        1005: "StandDown",
        1006: "RecoveryStand",
        1008: "Move",
        1009: "Sit",
        1010: "RiseSit",
        1015: "SpeedLevel",
        1016: "Hello",
        1017: "Stretch",
        1020: "Content",
        1021: "Wallow",
        1022: "Dance1",
        1023: "Dance2",
        1028: "Pose",
        1029: "Scrape",
        1030: "FrontFlip",
        1031: "FrontJump",
        1032: "FrontPounce",
        1033: "WiggleHips",
        1036: "Heart",
        1044: "BackFlip",
        1301: "HandStand",
        2043: "BackFlip",
        2044: "HandStand",
        2050: "WalkUpright",
    },
    "vui": {1003: "SetVolume", 1005: "SetBrightness"},
    "obstacles_avoid": {1001: "SwitchSet"},
}


def api_name(service: str, api_id: int) -> str:
    """The name, or service and number of one that is not in the table."""
    return NAMES.get(service, {}).get(api_id, f"{service} {api_id}")
