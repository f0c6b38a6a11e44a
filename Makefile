# Everything runs in .venv, which the first target that needs it makes. Nothing else has to be installed or running.
PYTHON ?= python3
BIN := .venv/bin
PYTEST = $(BIN)/pytest

# Every module is compiled once, whatever the environment says: the tests start Python hundreds of times.
test test-quick: export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-quick coverage check chaos soak mutants bench lock clean

demo: .venv/ready  ## see Longhand at work: a whole stack, 20 articles, watched live
	$(BIN)/longhand demo

test: .venv/ready  ## run the tests but those of `make chaos`, six at a time: they often wait
	$(PYTEST) -q -n 6 --dist worksteal -m "not chaos"

test-quick: .venv/ready  ## run the tests that start no processes: under a minute on two free cores
	$(PYTEST) -q -n 2 --dist worksteal -m "not processes and not long" --hypothesis-profile quick

coverage: .venv/ready  ## run the tests and print how much of the product they run
	rm -rf .coverage && mkdir .coverage
	$(BIN)/coverage run -m pytest -q -n 6 --dist worksteal -m "not chaos"
	$(BIN)/coverage combine -q && $(BIN)/coverage report

check: .venv/ready  ## what CI checks before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/oxlint --deny-warnings api/page tests/page

chaos: .venv/ready  ## kill, stop, cut and freeze everything, three at a time; see docs/reliability.md
	$(PYTEST) -q -n 3 --dist worksteal -m chaos tests

soak: .venv/ready  ## faults at random for MINUTES=60; SEED=... makes the same choices again
	MINUTES=$(or $(MINUTES),60) SEED=$(SEED) $(BIN)/pytest -q -s --timeout 0 tests/chaos/soak.py

mutants: .venv/ready  ## take out what the product stands on, and see the tests go red
	$(BIN)/python -m tests.chaos.mutants

bench: .venv/ready  ## measure everything, over an hour; BENCH_PYTHON=... has the peers, see docs/performance.md
	$(BIN)/python -m benchmarks

lock:  ## pin the newest versions that pyproject.toml allows
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet '.[server]'
	.venv-lock/bin/pip freeze --exclude longhand-server > requirements.lock
	.venv-lock/bin/pip install --quiet '.[dev]' hatchling editables
	echo "-r requirements.lock" > requirements-dev.lock
	.venv-lock/bin/pip freeze --exclude longhand-server | grep -vxFf requirements.lock >> requirements-dev.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock .longhand .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

.venv/ready: pyproject.toml requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Longhand needs Python 3.11 or later; say PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
