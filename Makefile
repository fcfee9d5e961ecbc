# The one developer interface. `make help` lists every command.
SHELL := /bin/bash
.DEFAULT_GOAL := help
STARTED := $(shell date +%s.%N)

PYTHON ?= python3
STACK ?= local
ENGINE ?= embedded
DATA ?=
STATE ?=
PARAMETERS ?=
POOL ?=
SAMPLES ?=
RUNS ?= 20
KILLS ?= 200
SEED ?= 1
K ?= 10
# The shell has a USER of its own, who is no user of a shop: only one that is given counts.
ifneq ($(origin USER),command line)
undefine USER
endif
USER ?=
VENV := .venv
PY := $(VENV)/bin/python
PEERS := .peers
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
PEERS_STAMP := $(PEERS)/.installed
LOCKS := requirements/runtime.txt requirements/dev.txt trainer/requirements.txt

# The state backend that a stack's file names.
BACKEND = $(PY) -c 'import yaml; print(yaml.safe_load(open("Pulumi.$(STACK).yaml"))["config"]["recsys-training:stateBackend"])'

# Imports without bytecode are several times slower: let Python write it even where the shell forbids it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up stop down doctor plan repair policy policy-pack submit status recommend console install check format test test-unit conformance kfp-samples bench-start bench-cloud bench-warm bench-serve bench-train bench-data bench-memory bench-checkpoint bench-ranks permissions chaos chaos-train schema mutate lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: install ## Bring the stack up, bring DATA in, train and report [STACK=local DATA=folder or file ENGINE=embedded or pulumi]
ifeq ($(STACK),local)
	@$(PY) -m local.stack up --data "$(DATA)" --engine $(ENGINE) --began $(STARTED) $(PARAMETERS)
else
	@$(PY) -m doctor.guard --stack $(STACK)
	PULUMI_BACKEND_URL=$$($(BACKEND)) pulumi up --stack $(STACK)
	@$(PY) -m doctor.grants --stack $(STACK)
	$(if $(DATA),$(PY) -m pipeline.ingest --stack $(STACK) --data "$(DATA)")
	$(PY) -m pipeline.submit --stack $(STACK) --wait $(PARAMETERS)
endif

stop: install ## End the local cloud and keep its state
	@$(PY) -m local.stack stop

down: install ## Destroy the stack [STACK=local ENGINE=embedded or pulumi]
ifeq ($(STACK),local)
	@$(PY) -m local.stack down --engine $(ENGINE)
else
	@$(PY) -m doctor.guard --stack $(STACK)
	PULUMI_BACKEND_URL=$$($(BACKEND)) pulumi destroy --stack $(STACK)
endif

doctor: install ## Find out whether a stack can come up in its project: login, billing, quota, rights, each with its fix [STACK=dev or prod]
	@$(PY) -m doctor --stack $(STACK)

plan: install ## Show what `up` would do to capacity, money and data, offline and without an account [STACK=local, dev or prod STATE=output of `pulumi stack export`]
ifeq ($(STACK),local)
	@$(PY) -m local.stack plan $(if $(STATE),--state "$(STATE)")
else
	@env -u PULUMI_BACKEND_URL $(PY) -m plan --stack $(STACK) $(if $(STATE),--state "$(STATE)")
endif

repair: install ## After a killed or half-failed `up` of the local stack: unlock, and let the next `up` take over what is there
	@PULUMI_BACKEND_URL=file://$(CURDIR)/.local/state $(PY) -m engine recover --stack local --yes

policy: install ## Hold a stack's plan against our policies, offline [STACK=dev or prod STATE=output of `pulumi stack export`]
	@env -u PULUMI_BACKEND_URL $(PY) -m plan --policies --stack $(STACK) $(if $(STATE),--state "$(STATE)")

policy-pack: install ## Make the environment of the policy pack, for `pulumi preview --policy-pack policy/pack`
	$(PYTHON) -m venv policy/pack/.venv
	$(VENV)/bin/uv pip install --quiet --python policy/pack/.venv/bin/python -r policy/pack/requirements.txt

submit: install ## Submit one training run from the stack's outputs [STACK=local POOL=name PARAMETERS="name=value …"]
	@$(PY) -m pipeline.submit --stack $(STACK) --wait $(if $(POOL),--pool "$(POOL)" )$(PARAMETERS)

status: install ## Hold pools, schedules and runs against what was declared: paused by hand, gone, failed [STACK=local]
	@$(PY) -m pipeline.status --stack $(STACK)

recommend: install ## Show what the champion recommends to a user [USER=id K=10 STACK=local]
	@$(PY) -m pipeline.recommend --stack $(STACK) --user "$(USER)" --k $(K)

console: install ## Open the local cloud's page, and start the local cloud if it does not run
	@$(PY) -m local.stack console

install: $(STAMP) ## Install everything into .venv/ [PYTHON=python3.11 or python3.12]

$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 13) else f"Python {v[0]}.{v[1]} found at {sys.executable}: 3.11 or 3.12 is needed. Run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --python $(PY) $(foreach lock,$(LOCKS),-r $(lock)) -e .
	@$(PY) -m compileall -q contracts infra pipeline engine policy plan doctor local trainer/train
	@echo "install: compiling what is imported on the way"
	@$(PY) -c "import train.main, train.evaluate, torch._dynamo" & \
	 $(PY) -c "import kfp, pulumi_gcp.vertex, pulumi_gcp.colab, duckdb, sqlglot, google.cloud.aiplatform_v1, google_cloud_pipeline_components.v1.custom_job" & \
	 wait
	@touch $@

check: install ## Format, lint, types and layers
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright --level error
	$(VENV)/bin/lint-imports

format: install ## Format and repair what the linter can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

test: install ## All tests, but what the real pulumi needs minutes for (make conformance)
	$(PY) -m pytest -n 2 --dist loadfile -m "not minutes"

test-unit: install ## The unit tests, without the slow ones
	$(PY) -m pytest -n 2 --dist loadfile -m "not slow" tests/unit

conformance: install ## Replay recorded provider traffic, then the contract tests and an independent program by both engines
	$(PY) -m tests.contract.conformance
	$(PY) -m pytest -n 2 --dist loadfile tests/contract tests/e2e/independent

kfp-samples: install ## Run other people's compiled pipelines, such as those of kubeflow/pipelines [SAMPLES=folder]
	$(PY) -m tests.samples SAMPLES="$(SAMPLES)"

bench-start: install ## Measure a job's warm start against a cold one [RUNS=20]
	$(PY) -m tests.bench.start --runs $(RUNS)

permissions: install ## Live through a deployment with IAM enforced and write docs/permissions.md
	$(PY) -m tests.e2e.permissions.table

bench-cloud: install ## Measure the local cloud on one core: small reads, memory, lists of objects, queued jobs
	$(PY) -m tests.bench.cloud

bench-warm: install ## Measure warm start against fresh models over a month of daily increments (10 minutes)
	@$(PY) -m tests.bench.warm

bench-data: install ## Measure how ten million interactions are read and ordered: time, CPU, peak of memory
	@$(PY) -m tests.bench.data

bench-memory: install ## Measure whole runs' peak of memory against what the trainer expects, up to a million items
	@$(PY) -m tests.bench.memory

bench-serve: install ## Measure one request to a serving bundle with a catalog of 100,000 items, on one core
	@$(PY) -m tests.bench.serve

bench-train: install $(PEERS_STAMP) ## Measure our trainer against others on one data set: quality over CPU time, into docs/peers.md (hours) [DATA=folder]
	@$(PY) -m tests.bench.train --data "$(DATA)"

$(PEERS_STAMP): requirements/peers.txt $(STAMP)
	$(VENV)/bin/uv venv --quiet --clear --python 3.11 $(PEERS)
	$(VENV)/bin/uv pip install --quiet --python $(PEERS)/bin/python -r requirements/peers.txt
	@touch $@

bench-ranks: install ## Measure how many targets a second one rank, two threads and two ranks learn
	@$(PY) -m tests.bench.ranks

bench-checkpoint: install ## Measure what checkpoints cost a training, and what it costs to continue from one
	@$(PY) -m tests.bench.checkpoint

chaos: install ## Kill the cloud, replicas, pipelines and uploads, seeded; nothing acknowledged may be lost [KILLS=200 SEED=1]
	$(PY) -m tests.chaos --kills $(KILLS) --seed $(SEED)

chaos-train: KILLS = 100
chaos-train: install ## Kill the trainer, seeded; it ends with the bits of a run that nobody touched [KILLS=100 SEED=1]
	$(PY) -m tests.chaos.training --kills $(KILLS) --seed $(SEED)

schema: install ## Write Pulumi.schema.json, by which editors complete and check the stack files
	$(PY) -m infra.stack_schema > Pulumi.schema.json

mutate: install ## Remove each guard of infra/ in turn: a unit test must notice (10 minutes on 2 cores)
	$(PY) -m tests.mutation

lock: install ## Resolve all *.in files anew, all together
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate requirements/runtime.in requirements/dev.in trainer/requirements.in -o $(VENV)/lock.txt
	for group in requirements/runtime requirements/dev trainer/requirements pipeline/requirements; do \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate -c $(VENV)/lock.txt $$group.in -o $$group.txt; done
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate policy/pack/requirements.in -o policy/pack/requirements.txt
	$(VENV)/bin/uv pip compile --quiet --upgrade --python-version 3.11 --python-platform linux --no-header --no-annotate requirements/peers.in -o requirements/peers.txt

clean: ## Remove .venv/, .peers/ and caches; .local/ stays
	rm -rf $(VENV) $(PEERS) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
