"""Install the Python package and, where ROS 2 is found, the messages that rosidl compiles from msg/ and unitree/.

Name, version, scripts and files stand here and not in pyproject.toml because `colcon build` on a robot's distribution
runs this file with a setuptools too old to read project metadata there, and colcon cannot read `requires-python` there.
"""

import os
import shutil
import subprocess
import sys
import warnings
from glob import glob
from pathlib import Path
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_ext import build_ext

NAME = "shadow_intent"
UNITREE_PACKAGES = ("unitree_api", "unitree_go")
OUR_COPY = f"{NAME}.bundled"  # this file in share/<package> tells our build of Unitree's messages from the robot's own
HERE = Path(__file__).resolve().parent
EXECUTABLES = {
    "intent_node": f"{NAME}.nodes.intent_node:main",
    "stop_node": f"{NAME}.nodes.stop_node:main",
    "skill_node": f"{NAME}.nodes.skill_node:main",
    "mock_go2": f"{NAME}.nodes.mock_go2:main",
    "sim_go2": f"{NAME}.nodes.sim_go2:main",
    "cloud_server": f"{NAME}.cloud.server:main",
}
MARKER = Path("share/ament_index/resource_index/packages", NAME)
NO_ROS = (
    f"no ROS 2 message generator found: installing {NAME} without its messages and nodes. That is right for a cloud or "
    "training machine. For a robot, source a ROS 2 distribution or install the extras ros and ros-build first."
)


def ros_prefixes():
    """The ament prefixes to build against: those of the environment, and this venv if only it holds ROS."""
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    if not any(has_generator(p) for p in prefixes):
        prefixes.append(sys.prefix)
    return prefixes


def has_generator(prefix):
    """True when the ament prefix holds rosidl's generators."""
    return Path(prefix, "share/rosidl_default_generators/package.xml").is_file()


HAS_ROS = any(has_generator(p) for p in ros_prefixes())


def bundled_packages():
    """Unitree's packages to bring along: those of which the robot's workspace has no definition of its own."""

    def is_theirs(prefix, package):
        share = Path(prefix, "share", package)
        return (share / "package.xml").is_file() and not (share / OUR_COPY).exists()

    return [p for p in UNITREE_PACKAGES if not any(is_theirs(prefix, p) for prefix in ros_prefixes())]


class MessageDistribution(Distribution):
    """A distribution that is specific to its platform exactly when messages are compiled."""

    def has_ext_modules(self):
        return HAS_ROS

    def has_data(self):
        """Editable installs ask this name before they install data_files."""
        return bool(self.data_files)


class BuildMessages(build_ext):
    """Have CMake build the messages, then lay them beside the Python modules."""

    def run(self):
        super().run()
        if not HAS_ROS:
            return
        stage = self.compile_messages()
        # colcon --symlink-install works in a folder of its own, with links to the packages that setup() names
        target = Path.cwd() if self.inplace else Path(self.build_lib)
        for package in (NAME, *bundled_packages()):
            copy_package(stage / "python" / package, target / package)
        if self.inplace:
            self.distribution.packages += bundled_packages()  # what an editable install makes importable
        if {"bdist_wheel", "editable_wheel"} & set(self.distribution.command_obj):
            write_launchers(stage / "lib" / NAME)
        self.distribution.data_files += staged_files(stage)

    def compile_messages(self):
        """Run CMake in the build folder, which makes the next build incremental; return the install tree it filled."""
        environment = cmake_environment()
        cmake = shutil.which("cmake", path=environment["PATH"])
        if cmake is None:
            raise SystemExit("cmake >= 3.19 is needed to compile the messages: pip install cmake, or apt install cmake")
        build = Path(self.build_temp).resolve() / "messages"
        stage = build / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        options = {
            "CMAKE_INSTALL_PREFIX": stage,
            "CMAKE_BUILD_TYPE": "Release",
            "BUILD_TESTING": "OFF",
            # always the same of a venv's names for it, or everything would be compiled again
            "Python3_EXECUTABLE": "{}/bin/python{}.{}".format(sys.prefix, *sys.version_info),
            "PYTHON_INSTALL_DIR": "python",
            "BUNDLED_PACKAGES": ";".join(bundled_packages()),
        }
        defines = [f"-D{key}={value}" for key, value in options.items()]
        subprocess.run([cmake, "-S", HERE, "-B", build, *defines], check=True, env=environment)
        jobs = str(os.cpu_count() or 1)
        subprocess.run(
            [cmake, "--build", build, "--target", "install", "--parallel", jobs], check=True, env=environment
        )
        return stage


def cmake_environment():
    """The environment in which CMake finds ROS, rosidl's Python modules and the build tools of this venv."""
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([f"{sys.prefix}/bin", environment.get("PATH", os.defpath)])
    if shutil.which("ninja", path=environment["PATH"]):
        environment.setdefault("CMAKE_GENERATOR", "Ninja")  # a build folder that exists keeps its generator
    if "pip-build-env" in environment.get("PYTHONPATH", ""):
        del environment["PYTHONPATH"]  # pip's isolation hides the ROS modules of the venv
    environment.pop("DIST_EXTRA_CONFIG", None)  # meant for this setup.py, not for those that ament generates and runs
    environment["AMENT_PREFIX_PATH"] = os.pathsep.join(ros_prefixes())
    environment["CMAKE_PREFIX_PATH"] = os.pathsep.join(
        [*ros_prefixes(), *filter(None, environment.get("CMAKE_PREFIX_PATH", "").split(os.pathsep))]
    )
    return environment


def copy_package(source, target):
    """Copy the Python side of what rosidl generated for one package."""
    shutil.copytree(source / "msg", target / "msg", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.c"))
    for path in source.glob("*.so"):
        shutil.copy2(path, target)
    if not (target / "__init__.py").exists():
        shutil.copy2(source / "__init__.py", target)


def write_launchers(folder):
    """pip puts executables in bin/; `ros2 run` and `ros2 launch` look in lib/<package>/."""
    folder.mkdir(parents=True)
    for name in EXECUTABLES:
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "$(dirname "$0")/../../bin/{name}" "$@"\n')
        script.chmod(0o755)


def staged_files(stage):
    """Libraries, headers, CMake and ament index files in the form of data_files: (folder, [file])."""
    for package in bundled_packages():
        (stage / "share" / package / OUR_COPY).touch()
    patterns = [
        "lib/**/*",
        "include/**/*",
        "share/*/msg/*",
        "share/*/cmake/*",
        "share/*/package.xml",
        f"share/*/{OUR_COPY}",
    ]
    patterns += [f"share/ament_index/resource_index/{kind}/*" for kind in ("packages", "rosidl_interfaces")]
    paths = {path for pattern in patterns for path in stage.glob(pattern) if path.is_file()}
    already = {stage / MARKER, stage / "share" / NAME / "package.xml"}
    return [(str(path.parent.relative_to(stage)), [os.path.relpath(path)]) for path in sorted(paths - already)]


if not HAS_ROS:
    if os.environ.get("SHADOW_INTENT_REQUIRE_ROS") == "1":
        raise SystemExit(f"SHADOW_INTENT_REQUIRE_ROS=1, but {NO_ROS}")
    warnings.warn(NO_ROS, stacklevel=1)

setup(
    name=NAME,
    version=ElementTree.parse(HERE / "package.xml").findtext("version"),
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"], exclude=[f"{NAME}.msg"]),
    package_data={NAME: ["bundle_default/*"], f"{NAME}.cloud": ["*.proto"]},
    data_files=[
        (str(MARKER.parent), [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", glob("launch/*.launch.py")),
        (f"share/{NAME}/config", glob("config/*")),
    ],
    entry_points={
        "console_scripts": [f"{name} = {function}" for name, function in EXECUTABLES.items()]
        + [f"shadow-intent = {NAME}.__main__:main"]
    },
    zip_safe=False,
    distclass=MessageDistribution,
    cmdclass={"build_ext": BuildMessages},
)
