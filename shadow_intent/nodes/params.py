"""Every parameter of every node, once: default, unit, range and meaning. config/go2.yaml holds the same names.

A node declares its dataclass in its constructor and reads it back, checked, in on_configure:

    self._declared = Parameters(self, SkillParams)    # never raises
    values = self._declared.read()                    # SkillParams, or ConfigError naming the key
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from shadow_intent.errors import ConfigError
from shadow_intent.skill_rules import FIRMWARES, POSTURES

_ROS_PARAMETERS = ("use_sim_time", "start_type_description_service")
"""What rclpy declares on every node."""


def _parameter(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    runtime: bool = False,
) -> Any:
    """A dataclass field; its type is the default's. `runtime`: may change while the node runs."""
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices, "runtime": runtime}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class _Checked:
    """Checks each field against its type and range. Raises ConfigError naming the parameter."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value, low, high = getattr(self, item.name), item.metadata["low"], item.metadata["high"]
            kind, choices = type(item.default), item.metadata["choices"]
            if type(value) is not kind:
                raise ConfigError(f"parameter {item.name}: expected {kind.__name__}, got {value!r}")
            if choices and value not in choices:
                raise ConfigError(f"parameter {item.name}: expected one of {choices}, got {value!r}")
            if low is not None and not low <= value <= high:
                raise ConfigError(f"parameter {item.name}: expected {low} to {high}, got {value!r}")


@dataclass(frozen=True)
class IntentParams(_Checked):
    """Parameters of intent_node."""

    bundle: str = _parameter("", "folder of the bundle to load; empty: the one that ships with the package")
    threads: int = _parameter(1, "threads of the classifier", low=1, high=8)
    cloud_address: str = _parameter("127.0.0.1:50051", "host:port of the cloud server; empty: no cloud is asked")
    cloud_ca_file: str = _parameter("", "PEM file of who signed the cloud server's certificate; empty: plaintext")
    cloud_certificate_file: str = _parameter(
        "", "PEM file of the certificate shown to a cloud server that asks for one; empty: none"
    )
    cloud_key_file: str = _parameter("", "PEM file of its private key; empty: none")
    cloud_deadline_s: float = _parameter(
        8.0, "s until an unanswered cloud request is given up", low=0.1, high=60.0, runtime=True
    )
    clarify_window_s: float = _parameter(
        8.0, 's for the speaker to answer "did you mean ...?"', low=0.1, high=60.0, runtime=True
    )
    ask_unsure_plans: bool = _parameter(
        True, "a cloud plan that the robot does not read in the words itself runs after a spoken yes", runtime=True
    )
    max_command_age_s: float = _parameter(
        2.0, "s; an utterance with an older stamp is ignored", low=0.2, high=10.0, runtime=True
    )
    log_directory: str = _parameter("", "folder of the MCAP log; empty: ~/.ros/shadow_intent")
    log_file_mb: int = _parameter(100, "MB; a log of this size is followed by a new one", low=1, high=10_000)
    log_total_mb: int = _parameter(
        2000, "MB of all logs in the folder; the oldest are removed for a new one", low=1, high=1_000_000
    )
    redact_text: bool = _parameter(False, "keep what was said out of the log and the intent topic")
    diagnostics_hz: float = _parameter(1.0, "Hz of /diagnostics", low=0.1, high=10.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.log_file_mb > self.log_total_mb:
            raise ConfigError(
                f"parameter log_file_mb: expected log_total_mb, {self.log_total_mb}, at most, got {self.log_file_mb}"
            )


@dataclass(frozen=True)
class SkillParams(_Checked):
    """Parameters of skill_node."""

    robot: str = _parameter("real", "real: refuse to start without a safe DDS; mock: any", choices=("real", "mock"))
    firmware: str = _parameter("", "firmware profile; empty: the one skills.yaml names", choices=("", *FIRMWARES))
    skills_file: str = _parameter(
        "",
        "path of skills.yaml; empty: the one that ships with the package. intent_node and the cloud always read that "
        "one: labels, names and quantities must agree with it",
    )
    allow_hazardous: bool = _parameter(
        False, "operator switch: skills guarded by confirm may run after a spoken yes", runtime=True
    )
    confirm_window_s: float = _parameter(8.0, "s to answer a confirmation", low=1.0, high=30.0, runtime=True)
    state_timeout_s: float = _parameter(
        0.5,
        "s; without a newer robot state, or word of stop_node, nothing moves. Two periods of stop_state at least",
        low=0.2,
        high=2.0,
        runtime=True,
    )
    max_command_age_s: float = _parameter(2.0, "s; an older command is refused", low=0.2, high=10.0, runtime=True)
    duplicate_window_s: float = _parameter(
        0.5, "s; the same command again within it is dropped", low=0.0, high=5.0, runtime=True
    )
    response_timeout_s: float = _parameter(1.0, "s for the robot to answer a request", low=0.1, high=10.0, runtime=True)
    min_battery_percent: int = _parameter(
        15, "percent; below it only rest postures and stop run", low=0, high=100, runtime=True
    )
    move_rate_hz: float = _parameter(20.0, "Hz of streamed velocities and of the guard", low=10.0, high=20.0)
    linear_acceleration: float = _parameter(0.8, "m/s^2 of velocity ramps", low=0.1, high=3.0)
    angular_acceleration: float = _parameter(2.0, "rad/s^2 of turn ramps", low=0.2, high=10.0)
    diagnostics_hz: float = _parameter(1.0, "Hz of /diagnostics", low=0.1, high=10.0)


@dataclass(frozen=True)
class StopParams(_Checked):
    """Parameters of stop_node."""

    robot: str = _parameter("real", "real: refuse to start without a safe DDS; mock: any", choices=("real", "mock"))
    lease_s: float = _parameter(
        0.3,
        "s without a further velocity until a moving robot is stopped; two periods of the slowest move_rate_hz fit",
        low=0.2,
        high=1.0,
    )
    diagnostics_hz: float = _parameter(1.0, "Hz of /diagnostics", low=0.1, high=10.0)


@dataclass(frozen=True)
class Go2Params(_Checked):
    """Parameters of a Go2 that is none: what mock_go2 and sim_go2 have in common."""

    firmware: str = _parameter("mcf", "which API ids it knows", choices=FIRMWARES)
    posture: str = _parameter("standing", "posture at start", choices=POSTURES)
    battery_percent: float = _parameter(87.0, "percent at start", low=0.0, high=100.0)
    battery_drain: float = _parameter(0.01, "percent lost per second", low=0.0, high=10.0)
    state_hz: float = _parameter(50.0, "Hz of /sportmodestate", low=1.0, high=500.0)
    low_state_hz: float = _parameter(2.0, "Hz of /lf/lowstate", low=0.1, high=50.0)
    move_timeout_s: float = _parameter(0.5, "s after the last Move until it halts by itself", low=0.1, high=5.0)


@dataclass(frozen=True)
class MockParams(Go2Params):
    """Parameters of mock_go2."""

    time_scale: float = _parameter(1.0, "factor on its speeds and posture changes, for quick tests", low=1.0, high=50.0)


@dataclass(frozen=True)
class SimParams(Go2Params):
    """Parameters of sim_go2."""

    recording: str = _parameter("", "file to write its movements to, for shadow_intent.film; empty: none")


P = TypeVar("P", bound=_Checked)


class Parameters(Generic[P]):
    """The parameters of a node, declared with ranges and meanings.

    The node must be made with `automatically_declare_parameters_from_overrides=True`: that is how a key of the YAML
    file that no node knows becomes visible.
    """

    def __init__(self, node: Node, kind: type[P]) -> None:
        """Declares them. A wrong value is kept back and reported by `read`, so that the node lives to say so."""
        self._node = node
        self._kind = kind
        self._problems = []
        known = [item.name for item in fields(kind)]
        for name in sorted(set(node.get_parameters_by_prefix("")) - {*known, *_ROS_PARAMETERS}):
            if not name.startswith("qos_overrides."):
                self._problems.append(f"parameter {name}: unknown; expected some of {', '.join(known)}")
        for item in fields(kind):
            if node.has_parameter(item.name):
                node.undeclare_parameter(item.name)  # declared from the override, without a range
            self._declare(item.name, item.default, _descriptor(item.default, item.metadata))

    def _declare(self, name: str, default: Any, descriptor: ParameterDescriptor) -> None:
        try:
            self._node.declare_parameter(name, default, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            self._problems.append(f"parameter {name}: {error}")
            self._node.declare_parameter(name, default, descriptor, ignore_override=True)

    def read(self) -> P:
        """The present values. Raises ConfigError naming the parameter, what was expected and what came."""
        if self._problems:
            raise ConfigError("; ".join(self._problems))
        return self._kind(**{item.name: self._node.get_parameter(item.name).value for item in fields(self._kind)})


def _descriptor(default: Any, rule: Any) -> ParameterDescriptor:
    """What `ros2 param describe` shows, and rclpy enforces."""
    descriptor = ParameterDescriptor(description=rule["meaning"], read_only=not rule["runtime"])
    if rule["choices"]:
        descriptor.additional_constraints = f"one of {', '.join(map(repr, rule['choices']))}"
    if rule["low"] is not None and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(rule["low"]), to_value=int(rule["high"]))]
    elif rule["low"] is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=rule["low"], to_value=rule["high"])]
    return descriptor
