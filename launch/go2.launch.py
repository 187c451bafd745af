"""Start the voice command nodes on or beside a Go2, or with a mock or simulated one, and bring them to active.

    ros2 launch shadow_intent go2.launch.py use_mock_robot:=true
    ros2 launch shadow_intent go2.launch.py use_sim:=true

Arguments say where and how; every number is in the parameters file. Nothing is started under a DDS that would crash a
robot which it may reach: this process joins the network too. A node that dies is started again and, whenever it
comes up unconfigured, configured and activated. Where stop_node or the mock cannot start as it is configured, the
launch ends with status 1: it would die again for ever, and without stop_node nothing moves. `LifecycleNode` is not
used: its change of state waits for ever when the node that died is still in the discovery graph, and several releases
exit 1 on Ctrl-C because of it.
"""

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from threading import Event
from time import monotonic, sleep

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events.process import ProcessExited, ProcessStarted
from launch.logging import get_logger
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import State, Transition
from rclpy.impl.implementation_singleton import rclpy_implementation

from shadow_intent.errors import ConfigError
from shadow_intent.nodes.dds import use_safe_profile
from shadow_intent.nodes.interfaces import robot_remappings
from shadow_intent.nodes.lifecycle import STATE_S, LifecycleClient

PACKAGE = "shadow_intent"
TRANSITION_TIMEOUT_S = 60.0
"""Loading a bundle on a slow robot takes seconds."""
POLL_S = 0.05
RESPAWN_DELAY_S = 1.0
NEXT_STEP = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
}


def generate_launch_description() -> LaunchDescription:
    """The arguments, the safe DDS profile, and the nodes."""
    share = FindPackageShare(PACKAGE)
    profile = "FASTDDS_DEFAULT_PROFILES_FILE"
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="in front of the relative topic names"),
            DeclareLaunchArgument(
                "robot_prefix", default_value="", description="in front of the robot's own topic names, such as /rex"
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "go2.yaml"]),
                description="YAML file with the parameters of every node",
            ),
            DeclareLaunchArgument(
                "cloud_address", default_value="", description="host:port of the cloud server; empty: as in params_file"
            ),
            DeclareLaunchArgument(
                "use_mock_robot", default_value="false", choices=["true", "false"], description="start a mock Go2 too"
            ),
            DeclareLaunchArgument(
                "use_sim", default_value="false", choices=["true", "false"], description="start a simulated Go2 too"
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="false", choices=["true", "false"], description="follow /clock"
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="what the nodes print",
            ),
            # Before any DDS participant, this process's own included: type objects crash the robot's CycloneDDS.
            SetEnvironmentVariable(
                profile,
                EnvironmentVariable(profile, default_value=PathJoinSubstitution([share, "config", "fastdds.xml"])),
            ),
            OpaqueFunction(function=start_nodes),
        ]
    )


def start_nodes(context: LaunchContext) -> list:
    """The nodes. intent_node is configured only once skill_node, which acts on what it says, is active.

    stop_node has no states to bring it through: it can stop the robot from its first moment on.

    Raises RobotError, as each node would, when DDS is unsafe and discovery is not limited to this machine.
    """
    use_safe_profile()
    cloud_address = LaunchConfiguration("cloud_address").perform(context)
    cloud = {"cloud_address": ParameterValue(cloud_address, value_type=str)} if cloud_address else {}
    mock, sim = (LaunchConfiguration(name).perform(context) == "true" for name in ("use_mock_robot", "use_sim"))
    if mock and sim:
        raise RuntimeError("use_mock_robot and use_sim would be two robots on the same topics: choose one")
    remappings = robot_remappings(LaunchConfiguration("robot_prefix").perform(context))
    robot = {"robot": "mock"} if mock or sim else {}
    clock = {"use_sim_time": True} if LaunchConfiguration("use_sim_time").perform(context) == "true" else {}
    skill_node = robot_node("skill_node", remappings, robot | clock)
    intent_node = robot_node("intent_node", remappings, cloud | clock)
    skills_ready = Event()
    return [
        *(needed(robot_node("mock_go2", remappings, clock)) if mock else []),
        *(needed(robot_node("sim_go2", remappings, clock)) if sim else []),
        *needed(robot_node("stop_node", remappings, robot | clock)),
        *activated(skill_node, ready=skills_ready),
        *activated(intent_node, after=skills_ready),
    ]


def robot_node(executable: str, remappings: list, overrides: dict | None = None) -> Node:
    """A node of this package with the shared parameters file, started again when it dies."""
    return Node(
        package=PACKAGE,
        executable=executable,
        name=executable,
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
        remappings=remappings,
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY_S,
    )


def needed(node: Node) -> list:
    """The node, and the handler that ends the launch when it cannot start as it is configured.

    Not for the lifecycle nodes: they live on to say what is wrong, and stop_node must not end because of them.
    """

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        if event.returncode == os.EX_CONFIG and not context.is_shutdown:
            raise ConfigError(f"{event.process_name} cannot start as it is configured: its own message says why")

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended)), node]


def activated(node: Node, after: Event | None = None, ready: Event | None = None) -> list:
    """The node, and the handler that brings its every process to active, once `after` is set, and then sets `ready`."""

    def bring_up(event: ProcessStarted, context: LaunchContext) -> None:
        def over() -> bool:
            return context.is_shutdown or node.process_details["pid"] != event.pid

        work = partial(activate, get_ros_node(context), node.node_name, over, after, ready)
        context.add_completion_future(context.asyncio_loop.run_in_executor(None, work))

    return [RegisterEventHandler(OnProcessStart(target_action=node, on_start=bring_up)), node]


def activate(ros_node, name: str, over: Callable[[], bool], after: Event | None, ready: Event | None) -> None:
    """Configure and activate the node of this full name; runs in a worker thread, until `over()` at the latest."""
    while after and not after.wait(STATE_S):
        if over():
            return
    logger = get_logger("go2.launch")

    def wait(condition: Callable[[], bool], seconds: float) -> bool:
        end = monotonic() + seconds
        while not condition() and monotonic() < end:
            if over():
                raise Over
            sleep(POLL_S)
        return condition()

    try:
        with closing(LifecycleClient(ros_node, name, wait)) as client:
            while not (state := client.state()) or state.id in NEXT_STEP:
                if state and client.change(NEXT_STEP[state.id], TRANSITION_TIMEOUT_S) is False:
                    logger.error(f"{name} stays {state.label}: its own log above says why")
                    break
            else:
                logger.info(f"{name} is {state.label}")
                if ready:
                    ready.set()
    except (Over, rclpy_implementation.InvalidHandle, rclpy_implementation.RCLError):
        if not over():  # launch takes its ROS node away when it shuts down
            raise


class Over(Exception):
    """Nobody waits for the node's state any more."""
