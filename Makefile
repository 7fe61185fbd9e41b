# `make demo` sets up and runs the whole flow on a generated world; `make test` sets up and passes the tests.
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN = .venv/bin

.PHONY: demo test setup clean

demo: .venv/demo
	$(BIN)/limbeck demo

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses logical

setup: .venv/demo

# PyTorch comes first: another package asking for it would bring its largest build.
.venv/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[backbone]"
	touch $@

.venv/test: .venv/demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[backbone,dev]"
	touch $@

clean:
	rm -rf .venv workspaces
