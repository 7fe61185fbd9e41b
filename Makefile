# `make demo` sets up and runs the whole flow on a generated world; `make test` sets up and passes the tests.
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN = .venv/bin
# The tests start some hundred processes: each would compile the package anew where an environment forbids to keep that.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test setup packages clean

demo: .venv/demo
	$(BIN)/limbeck demo

test: .venv/test packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses logical --instafail --durations 30

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

# Pages are tested in a real browser, caches with a real Redis. What is not there root installs, and others are told to.
PACKAGES = chromium redis-server
packages:
	@(for name in $(PACKAGES); do command -v $$name > /dev/null || exit 1; done) || { test "$$(id -u)" = 0 && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) fonts-dejavu-core; } || \
	  { echo "make test needs Debian packages: sudo apt-get install $(PACKAGES)"; exit 1; }

clean:
	rm -rf .venv workspaces
