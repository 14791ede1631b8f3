# Thin: each target is one command that also works without make (INSTALL.md, "Without make").
PYTHON ?= python3
COURSE := .venv/bin/course

.PHONY: help run test browser lab notebooks tables site bench checkpoints study constraints

help:                         ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read name what; do printf 'make %-12s %s\n' $$name "$$what"; done

run: .venv/student            ## execute every notebook into runs/<time>/
	@$(COURSE) run

lab: .venv/student            ## open JupyterLab on the course
	@$(COURSE) lab

test: .venv/author            ## unit tests, lint, every notebook, every exercise
	@.venv/bin/python -m pytest -n 2 --dist worksteal

browser: .venv/browser        ## every notebook in JupyterLab, the pad, and the site on a phone, in a real browser (needs Chromium or Chrome)
	@.venv/bin/python tests/lab.py > /dev/null && .venv/bin/python -m pytest -n 2 --dist loadfile -m browser $(BROWSER) \
	    tests/test_lab.py tests/test_site.py tests/test_pad.py tests/test_play.py

notebooks: .venv/author       ## rebuild the stored notebooks that are stale
	@$(COURSE) notebooks

tables: .venv/author          ## renew the tables in RESULTS.md and CONTRIBUTING.md from the records and the code
	@.venv/bin/python -m cogapp -r RESULTS.md CONTRIBUTING.md

site: .venv/author            ## the course as a web site, in build/site
	@.venv/bin/python -m sphinx -q -E -W -c site -d build/doctrees . build/site && echo "open build/site/index.html"

bench: .venv/author           ## time the episode sampler, the GAN steps, the meta-steps, and ways to use threads
	@.venv/bin/python studies/sampler.py
	@.venv/bin/python studies/gan_steps.py
	@.venv/bin/python studies/meta_steps.py
	@.venv/bin/python studies/threads.py

checkpoints: .venv/student    ## train anew what notebooks 03, 07 to 15 load (two hours on 2 cores)
	@$(COURSE) run 03 -p retrain=True && cp runs/latest/checkpoints/characters_* checkpoints/
	@rm -f runs/few_shot/glyphs-0-MAML* && .venv/bin/python studies/few_shot.py train --datasets glyphs --seeds 0 \
	    --learners MAML && for end in json safetensors; do \
	    cp runs/few_shot/glyphs-0-MAML.$$end checkpoints/maml_glyphs.$$end; done
	@rm -f runs/generators/*
	@OMP_NUM_THREADS=1 .venv/bin/python studies/generators.py && rm -f runs/generators/*.part && \
	    cp runs/generators/warp_glyphs* runs/generators/warp-normalised_glyphs* checkpoints/ && \
	    for kind in pixel warp-no-task warp-unconditional-D; do cp runs/generators/$${kind}_glyphs.* checkpoints/; done
	@rm -f runs/other_generators/*-long-0.* && .venv/bin/python studies/other_generators.py train --budgets long && \
	    for kind in GAN-warps GAN-pixels flow-warps flow-pixels regression-best-of-4; do for end in json safetensors; do \
	    cp runs/other_generators/$$kind-long-0.$$end checkpoints/$${kind}_glyphs.$$end || exit 1; done; done
	@rm -f runs/worlds/* && .venv/bin/python studies/worlds.py train && for end in json safetensors; do \
	    for home in glyphs print spoken textures; do \
	    cp runs/worlds/G-$$home-0.$$end checkpoints/G-$${home}_worlds.$$end || exit 1; done; done
	@rm -f runs/acting/*-navigator-0.* && .venv/bin/python studies/acting.py train --families navigator --seeds 0 && \
	    for end in json safetensors; do for kind in MAML GAN; do \
	    cp runs/acting/$$kind-navigator-0.$$end checkpoints/$${kind}_navigator.$$end || exit 1; done; done

PROFILE ?= cpu
study: .venv/student          ## all numbers of 06 to 15 and of the challenge anew; PROFILE=gpu on cuda (needs COURSE_DATA)
	@printf 'glyphs\nomniglot\n' | OMP_NUM_THREADS=1 xargs -P 2 -I{} .venv/bin/python studies/few_shot.py train --datasets {}
	@.venv/bin/python studies/few_shot.py test && .venv/bin/python studies/augmentation.py test
	@printf '0\n1\n2\n' | OMP_NUM_THREADS=1 xargs -P 2 -I{} .venv/bin/python studies/trial.py train --folds {} --profile $(PROFILE)
	@.venv/bin/python studies/trial.py test --profile $(PROFILE)
	@for what in train test; do .venv/bin/python studies/placements.py $$what --profile $(PROFILE) || exit 1; done
	@.venv/bin/python studies/parts.py && .venv/bin/python studies/chances.py
	@for what in train test; do printf 'other_generators\nlittle_data\n' | \
	    xargs -P 2 -I{} .venv/bin/python studies/{}.py $$what || exit 1; done
	@.venv/bin/python studies/worlds.py train && for study in worlds speech; do \
	    .venv/bin/python studies/$$study.py test || exit 1; done && .venv/bin/python studies/text.py
	@printf 'navigator\ncart\n' | xargs -P 2 -I{} .venv/bin/python studies/acting.py train --families {} --profile $(PROFILE)
	@for what in tune test; do .venv/bin/python studies/acting.py $$what || exit 1; done

# torch and torchvision belong together: 0.28 with 2.13, 0.27 with 2.12, 0.26 with 2.11
constraints:                  ## compile the pins anew (needs uv)
	echo "# Exact versions that were tested together, for every system (pip install -c). Made by: make constraints" > $@.new
	printf 'torch==2.13.0\ntorchvision==0.28.0\n' | uv pip compile pyproject.toml --extra browser --universal \
	    --python-version 3.11 --no-annotate --no-header --quiet --constraint - >> $@.new && mv $@.new $@.txt

# What a student needs, what an author or CI needs on top, and what a browser needs on top of that. One installation at a time.
.venv/author: EXTRA := [test]
.venv/browser: EXTRA := [browser]
.venv/student .venv/author .venv/browser: pyproject.toml constraints.txt
	@mkdir .venv.lock 2>/dev/null || \
	    { echo "Another make is installing here. Wait for it; if there is none: rmdir .venv.lock"; exit 1; }; \
	trap 'rmdir .venv.lock' EXIT; trap 'exit 130' INT TERM; \
	$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit("The course needs Python 3.11 to 3.13; this one is %d.%d. Name another: make PYTHON=python3.12 ..." % sys.version_info[:2])' && \
	{ .venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv; } && \
	echo "Installing into .venv (some minutes, 2 GB)" && \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.$(EXTRA)' -c constraints.txt && \
	touch $@ $(if $(EXTRA),.venv/student)
