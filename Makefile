# Two commands: run and test. Everything else is in etftrader/deploy/dev.py.
PYTHON ?= python3
DEV = $(PYTHON) etftrader/deploy/dev.py

.PHONY: run test reset check lock

run test: ; @exec $(DEV) $@ $(ARGS)
reset check lock: ; @exec $(DEV) $@
