"""Imports point one way, heavy libraries stay where they belong, and nothing imports training."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "shadow_intent"
GENERATED = ("msg/", "cloud/intent_pb2")

LAYERS = (
    ("intent", "errors"),
    ("stop", "slots", "skills", "bag", "event_log"),
    ("route",),
    ("guard", "bundle", "clarify"),
    ("classifier",),
    ("pipeline",),
    ("nodes",),
)
"""Each may import those before it, never those after."""
TORCH = {"torch", "transformers", "peft", "safetensors"}
ROS = {"rclpy", "ament_index_python", "std_msgs", "lifecycle_msgs", "diagnostic_msgs", "rcl_interfaces", "unitree_api"}
ROS |= {"unitree_go", "builtin_interfaces", "shadow_intent.msg"}


def sources() -> dict[str, Path]:
    """Module name below the package -> file, generated code left out."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE).as_posix()
        if not relative.startswith(GENERATED):
            found[relative.removesuffix(".py").replace("/", ".").removesuffix(".__init__")] = path
    return found


def imported(path: Path, module: str) -> Iterator[str]:
    """Every module, or name of a module, that a file imports anywhere."""
    package = f"shadow_intent.{module}".split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            origin += [node.module] if node.module else []
            yield from (".".join([*origin, alias.name]) for alias in node.names)
            yield ".".join(origin)


SOURCES = sources()
IMPORTS = {module: list(imported(path, module)) for module, path in SOURCES.items()}


def ours(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    names = {name.removeprefix("shadow_intent.") for name in IMPORTS[module] if name.startswith("shadow_intent.")}
    return {name for name in names if name in SOURCES}


def layer(module: str) -> int | None:
    name = module.split(".")[0]
    return next((i for i, names in enumerate(LAYERS) if name in names), None)


@pytest.mark.parametrize("module", SOURCES)
def test_no_module_imports_one_above_it(module: str) -> None:
    mine = layer(module)
    if mine is not None:
        above = {name for name in ours(module) if (layer(name) or 0) > mine}
        assert not above, f"{module} imports {above}"


def test_there_are_no_cycles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in ours(module) - {module}:
                visit(name, (*path, module))
            done.add(module)

    for module in SOURCES:
        visit(module, ())


def test_the_nouns_need_only_the_standard_library() -> None:
    for module in ("intent", "errors", "stop", "slots"):
        for name in IMPORTS[module]:
            top = name.split(".")[0]
            assert top == "shadow_intent" or top in sys.stdlib_module_names, f"{module} imports {name}"


@pytest.mark.parametrize("module", SOURCES)
def test_ros_stays_in_nodes(module: str) -> None:
    if not module.startswith("nodes"):
        found = {name for name in IMPORTS[module] if name in ROS or name.split(".")[0] in ROS}
        assert not found, f"{module} imports {found}"


@pytest.mark.parametrize("module", SOURCES)
def test_torch_stays_in_the_cloud(module: str) -> None:
    allowed = module.startswith("shadow") or module in ("cloud.base", "cloud.engine", "cloud.decode")
    if not allowed:
        found = {name for name in IMPORTS[module] if name.split(".")[0] in TORCH}
        assert not found, f"{module} imports {found}"


def test_shadow_is_a_library_one_could_lift_out() -> None:
    """It needs nothing of ours, and of others only these, wherever in a file it imports them."""
    allowed = sys.stdlib_module_names | {"torch", "transformers", "safetensors", "shadow_intent"}
    where_needed = {"shadow.texts": {"datasets"}}  # dataset ids are streamed where that package is
    for module in SOURCES:
        if module.split(".")[0] == "shadow":
            assert all(name.startswith("shadow") for name in ours(module)), module
            names = {name.split(".")[0] for name in IMPORTS[module]}
            assert names - allowed == where_needed.get(module, set()), module


def test_the_client_knows_only_the_nouns() -> None:
    """... and the skills it checks plans against."""
    generated = {"cloud.intent_pb2", "cloud.intent_pb2_grpc"}
    assert ours("cloud.client") - generated <= {"cloud", "cloud.plan", "skills", "intent", "errors"}


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_imports_training(module: str) -> None:
    assert not [name for name in IMPORTS[module] if name.split(".")[0] in ("training", "test", "benchmarks")]


@pytest.mark.parametrize("module", ["pipeline", "cli", "event_log", "cloud.client", "nodes.intent_node"])
def test_importing_it_loads_no_torch(module: str) -> None:
    """What `ast` cannot see: what the libraries we import import."""
    if module.startswith("nodes") and importlib.util.find_spec("rclpy") is None:
        pytest.skip("ROS is not installed")
    unwanted = sorted(TORCH) + ([] if module.startswith("nodes") else ["rclpy"])
    code = f"import sys, shadow_intent.{module}; print([m for m in {unwanted} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
