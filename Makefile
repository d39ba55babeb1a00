# Each target first installs requirements.txt into `.venv`, and again only when that file changes.
PYTHON ?= python3
SEEDS ?= 10
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# The packages are in this folder, which PYTHONSAFEPATH would exclude from imports.
unexport PYTHONSAFEPATH
# An upgrade of the system may remove the Python that .venv links to. Such an environment is created anew.
ifneq ($(lastword $(shell $(BIN)/python -c "print(1)" 2>&1)),1)
$(shell rm -rf .venv)
endif

.PHONY: train test lab sketchpad benchmark torture mutation format

train: .venv/installed  # train, evaluate, write the weights and the plots
	$(BIN)/python -m tools.run_notebook workspace.ipynb
	$(BIN)/python -m tools.run_notebook playground.ipynb

test: .venv/installed-tests  # check the style, then run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist worksteal

lab: .venv/installed  # open JupyterLab
	$(BIN)/python -m jupyterlab

sketchpad: .venv/installed  # write the drawing pad as one file, sketchpad.html
	$(BIN)/python -m mnist_cnn.sketchpad

benchmark: .venv/installed  # accuracy and speed, compared with two baselines; one to two hours, or SEEDS=2
	$(BIN)/python -m benchmarks.benchmark $(SEEDS)

torture: .venv/installed-torture  # kills, fuzzing, large data sets, mutation, other package versions; three hours
	$(BIN)/python -m tests.torture

mutation: .venv/installed-torture  # change the code in 1,500 ways: which changes do the tests notice? an hour
	$(BIN)/python -m tests.torture mutation

format: .venv/installed-tests  # format code and notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed, found ' + sys.version)"
	$(PYTHON) -m venv .venv
	@echo "Installing the packages of requirements.txt: 6 GB with CUDA on Linux, a few minutes ..."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@touch $@

.venv/installed-tests: .venv/installed tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	@touch $@

.venv/installed-torture: .venv/installed-tests tests/torture/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/torture/requirements.txt
	@touch $@
