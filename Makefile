# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast measure space-check space-deploy clean

demo: $(VENV)/installed
	$(BIN)/python app.py

test: $(VENV)/installed-tests chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 25

test-fast: $(VENV)/installed-tests
	$(BIN)/python -m pytest -m "not slow and not browser"

# Short's figures in the README, on this machine (about 10 minutes on two cores).
measure: $(VENV)/installed
	$(BIN)/python -m benchmarks.preset mini-short --images 60 --trained-prompts 6

# Builds the environment of a Hugging Face Space from the committed files alone, starts app.py in it and drives the page.
space-check: $(VENV)/installed-tests chromium
	$(BIN)/python -m tests.space_check

# Uploads what a Space needs to the Space SPACE=owner/name, which is made if need be (PRIVATE=1: private). DRY=1: lists the
# files and their sum, and uploads nothing.
space-deploy: $(VENV)/installed
	$(BIN)/python -m app.deploy $(SPACE) $(if $(DRY),--dry-run) $(if $(PRIVATE),--private)

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/installed-tests: $(VENV)/installed tests/requirements.txt
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	touch $@

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { echo "Installing chromium for the browser tests"; apt-get update -qq && apt-get install -y -qq chromium; }

clean:
	rm -rf $(VENV) .pytest_cache
