"""What a node says about itself on /diagnostics (REP 107)."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header


def diagnostics(
    node: Node, part: str, problem: str, well: str, values: Mapping[str, object], grave: bool = False
) -> DiagnosticArray:
    """One status named "<node>: <part>": a warning with the `problem`, an error if `grave`, or `well` without one."""
    level = DiagnosticStatus.ERROR if grave else DiagnosticStatus.WARN
    status = DiagnosticStatus(
        level=level if problem else DiagnosticStatus.OK,
        name=f"{node.get_fully_qualified_name()}: {part}",
        message=problem or well,
        hardware_id="go2",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    return DiagnosticArray(header=Header(stamp=node.get_clock().now().to_msg()), status=[status])
