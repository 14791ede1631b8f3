# Thin: each target is one command that also works without make (see README.md, "Without make").
PYTHON ?= python3
COURSE := .venv/bin/course

.PHONY: run test lab notebooks bench constraints clean

run: .venv/student            ## execute every notebook into runs/<time>/
	$(COURSE) run

lab: .venv/student            ## open JupyterLab on the course
	$(COURSE) lab

test: .venv/author            ## unit tests, lint, every notebook, every exercise
	.venv/bin/python -m pytest -n 2 --dist worksteal

notebooks: .venv/author       ## rebuild the stored notebooks that are stale
	$(COURSE) notebooks

bench: .venv/author           ## time the sampler against a DataLoader
	.venv/bin/python benchmarks/sampler.py

# torch and torchvision belong together: 0.28 with 2.13, 0.27 with 2.12, 0.26 with 2.11
constraints:                  ## compile the pins anew (needs uv)
	echo "# Exact versions that were tested together, for every system (pip install -c). Made by: make constraints" > $@.txt
	printf 'torch==2.13.0\ntorchvision==0.28.0\n' | uv pip compile pyproject.toml --extra test --universal \
	    --python-version 3.11 --no-annotate --no-header --quiet --constraint - >> $@.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("The course needs Python 3.11 to 3.13; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv

.venv/student: .venv/bin/python pyproject.toml constraints.txt
	.venv/bin/python -m pip install --quiet -e . -c constraints.txt
	@touch $@

.venv/author: .venv/bin/python pyproject.toml constraints.txt
	.venv/bin/python -m pip install --quiet -e '.[test]' -c constraints.txt
	@touch $@ .venv/student
