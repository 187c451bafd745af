#!/bin/sh
# prerequisites.sh PYTHON: says in one go what `make venv` needs and this machine lacks. Exit status 1 when anything is missing.
python=$1
missing=0

need() { # need WHAT HOW
    echo "missing: $1" >&2
    echo "         $2" >&2
    missing=1
}

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    need "Linux on x86_64, for which there are ROS 2 wheels (this is $(uname -sm))" \
        "source a ROS 2 distribution and use: colcon build"
fi
for tool in g++ make; do
    command -v "$tool" >/dev/null || need "$tool, to compile the messages" "apt install $tool"
done

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
case $version in
3.10 | 3.11 | 3.12)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        need "Python's venv module" "apt install python$version-venv"
    "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null ||
        need "Python.h, Python's C headers" "apt install python$version-dev"
    ;;
"") need "Python 3.10, 3.11 or 3.12 ($python does not run)" "apt install python3 python3-venv python3-dev" ;;
*)
    need "Python 3.10, 3.11 or 3.12 ($python is $version; the pinned packages are tried on these)" \
        "install one with its -venv and -dev packages and name it, for example: make venv PYTHON=python3.11"
    ;;
esac
exit $missing
