PYTHON ?= python3
BIN := .venv/bin
export PYTHONPATH := $(CURDIR)
# Every step is a process of its own: it must not compile its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo nightly test lint format up down psql bench docs lock

# Create .venv with exactly the locked dependencies; the lock is complete, so nothing is resolved.
install: .venv/installed
.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements.txt && touch $@

# Simulate an operator, run the night through Airflow, call the list, import what came back.
demo: install
	$(BIN)/python -m scripts.run_demo $(if $(CUSTOMERS),--customers $(CUSTOMERS))

# Run the nightly DAG for one business date: make nightly BUSINESS_DATE=2026-11-20 LANDING_DIR=landing
nightly: install
	$(BIN)/python -m scripts.run_nightly --business-date $(BUSINESS_DATE) $(if $(LANDING_DIR),--landing-dir $(LANDING_DIR))

# Run all tests on embedded PostgreSQL servers of their own.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Check style, types, SQL and generated documents.
lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy dags expectations models_ml scripts tests && $(BIN)/python -m scripts.generate_docs --check && $(BIN)/sqlfluff lint dbt_project/models --quiet

# Rewrite the code in the house format.
format: install
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

# Start Airflow (UI, scheduler, DAG processor, triggerer) on the embedded server.
up: install
	$(BIN)/python -m scripts.services up

# Stop what `make up` started.
down: install
	$(BIN)/python -m scripts.services down

# Open psql on the warehouse.
psql: install
	$(BIN)/python -m scripts.warehouse psql

# Generate the data dictionary, the page of extracts and their samples.
docs: install
	$(BIN)/python -m scripts.generate_docs

# Compare speed with references, all groups or one: make bench GROUP=load
bench: install
	$(BIN)/python -m tests.bench $(if $(GROUP),--group $(GROUP))

# Resolve pyproject.toml anew into the lock: for every platform, with hashes, no registry in it.
lock: install
	$(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade --output-file requirements.txt
