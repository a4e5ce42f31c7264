# smart360-monitor. `make` prints the targets; each sets up what it needs and asks nothing.
export UV_PYTHON_DOWNLOADS = never
export PIP_ROOT_USER_ACTION = ignore
UV := .tools/bin/uv
PY := .venv/bin/python
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long lint format lock bench docs golden build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(UV): requirements-uv.lock
	@python3 -m pip --version >/dev/null 2>&1 || { echo "$$(command -v python3) has no pip: run 'deactivate' if a virtual environment is active, else install pip."; exit 1; }
	@python3 -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target .tools -r $<
	@touch $@

.venv/.stamp: requirements.lock pyproject.toml $(UV)
	@$(UV) venv --quiet --allow-existing --python '>=3.11' .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes requirements.lock
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation -e .
	@touch $@

.tools/.apt:
	@command -v chromium >/dev/null && ldconfig -p | grep -q libatomic.so.1 || { \
	  echo "installing chromium and libatomic1 with apt for the browser tests"; \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium libatomic1 >/dev/null; } || \
	  { echo "make test needs a browser. Install: apt-get install chromium libatomic1"; exit 1; }
	@mkdir -p .tools/deb && cd .tools/deb && { test -x usr/bin/promtool || { $(SUDO) apt-get update -qq; apt-get download -qq prometheus && for f in *.deb; do dpkg-deb -x "$$f" .; done; }; }
	@touch $@

setup: .venv/.stamp ## the product into .venv; .venv/bin/smart360-monitor runs afterwards

demo: .venv/.stamp ## the main job on this machine; ARGS=--once ends by itself
	@.venv/bin/smart360-monitor demo $(ARGS)

test: .venv/.stamp .tools/.apt ## sets up what the tests need, then runs them (all but the long)
	@$(PY) -m pytest -q -n 2 --dist loadgroup -m "not long" $(ARGS)

test-long: .venv/.stamp .tools/.apt ## the long ones too
	@$(PY) -m pytest -q -n 2 --dist loadgroup $(ARGS)

lint: .venv/.stamp ## ruff, mypy --strict, import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: .venv/.stamp ## formats the code
	@.venv/bin/ruff check --fix-only -q . ; .venv/bin/ruff format -q .

golden: .venv/.stamp ## rewrites the golden files; review the difference like code
	@GOLDEN=write $(PY) -m pytest -q -m golden

docs: .venv/.stamp ## generates docs/reference from catalogue, packs, settings, metrics and commands
	@$(PY) -m docs.generate

bench: .venv/.stamp ## ratios against floors and peers, each in one run
	@$(PY) -m benchmarks $(ARGS)

build: .venv/.stamp ## the wheel
	@$(UV) build --quiet --wheel --no-build-isolation --python .venv

lock: $(UV) ## requirements.lock and requirements-uv.lock anew: hashes, no host names
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --group dev pyproject.toml -o requirements.lock
	echo uv==0.13.9 | $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url - -o requirements-uv.lock
