# make demo: a recording through the real DISCOVER server.   make test: the tests.   make test-view: those in a browser.
# make lint: ruff and mypy.   make docs: the site of the documentation, in site/.   Without make and sh: python tasks.py demo, and so on.
PYTHON ?= python3
MODEL ?=

.PHONY: demo test test-view lint docs install clean

demo:
	@$(PYTHON) tasks.py demo $(foreach model,$(MODEL),--model "$(model)")

test test-view lint docs install clean:
	@$(PYTHON) tasks.py $@
