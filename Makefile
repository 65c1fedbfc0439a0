# make demo: a recording through the real DISCOVER server.   make test: the tests.   make test-view: those in a browser.
# make lint: ruff and mypy.
PYTHON ?= python3
MODEL ?=
VENV := .venv
INSTALLED := $(VENV)/installed

.PHONY: demo test test-view lint clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	@./demo/ensure-tools
	@$(VENV)/bin/python -m demo $(foreach model,$(MODEL),--model "$(model)")

test: $(INSTALLED)-dev
	@./demo/ensure-tools
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-view: $(INSTALLED)-dev
	@./demo/ensure-tools browser
	$(VENV)/bin/python -m pytest -m browser tests/novaspeech/view

lint: $(INSTALLED)-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(INSTALLED): pyproject.toml constraints.txt
	@./demo/install $(PYTHON) $(VENV) server,view
	@touch $@

$(INSTALLED)-dev: pyproject.toml constraints.txt
	@./demo/install $(PYTHON) $(VENV) dev
	@touch $@ $(INSTALLED)

clean:
	rm -rf $(VENV) demo/out
