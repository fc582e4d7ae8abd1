# The one front door. Each target sets up what it needs: its own virtual environment (.venv), Debian packages
# where root or sudo is at hand, and clear words otherwise.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
SANITIZERS ?= asan tsan
FUZZ_SECONDS ?= 20
MINUTES ?= 10
CHAINS ?= 20000
TRIALS ?= 1000000
export QUICK REASON HITS

.PHONY: help demo judge simulate-rules test test-without-chains test-django test-shadow fuzz-chains test-engine test-sanitizers test-fuzz test-python test-oldest test-matrix guard guard-update soak bench bench-rows bench-writes lint format clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: ## load the atlas, run its workload with the cache off and on, compare every page, then serve it (SERVE=0: end)
	@scripts/venv.sh
	.venv/bin/python -m pip install -q -r examples/atlas/requirements.txt
	.venv/bin/python examples/atlas/demo.py

test: SUITE ?= --part
test: TESTS ?= tests/test_reading.py tests/judges/test_random_programs.py
test: test-engine test-sanitizers test-fuzz test-python test-without-chains test-django test-oldest guard ## run all tests: engine, sanitizers, short fuzzing, Python face
	@echo "all tests passed"

test-engine: ## the engine's unit tests (GoogleTest)
	@scripts/apt.sh g++ cmake ninja-build libgtest-dev libbenchmark-dev
	scripts/preset.sh release
	ctest --preset release --output-on-failure -j2

test-sanitizers: ## the engine's tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	@scripts/apt.sh g++ cmake ninja-build libgtest-dev
	for preset in $(SANITIZERS); do
	  scripts/preset.sh $$preset
	  ctest --preset $$preset --output-on-failure -j2
	done

test-fuzz: ## fuzz codec and scanner for FUZZ_SECONDS each
	@scripts/apt.sh clang libclang-rt-14-dev cmake ninja-build
	scripts/preset.sh fuzz
	scripts/fuzz.sh $(FUZZ_SECONDS)

test-python: ## the tests of the Python face, on SQLite and on servers (PostgreSQL, MariaDB …) that they start themselves
	@scripts/venv.sh test packages bench
	scripts/apt.sh postgresql postgresql-15-postgis-3 mariadb-server redis-server memcached faketime || [ -z "$${CI:-}" ]
	.venv/bin/python -m pytest -n 2 --dist loadfile

test-without-chains: ## the same with DJANGO_CACHE_ME_CHAINS off, but for what is about chains (TESTS=…: some)
	@scripts/venv.sh test packages bench
	scripts/apt.sh postgresql postgresql-15-postgis-3 mariadb-server redis-server memcached faketime || [ -z "$${CI:-}" ]
	CACHE_ME_TEST_NO_CHAINS=1 JUDGE_SECONDS=$${JUDGE_SECONDS:-2} .venv/bin/python -m pytest -n 2 --dist loadfile -k "not planted" $(TESTS)

test-django: ## Django's own tests of its ORM with every model registered, on SQLite and PostgreSQL (SUITE=--part: some)
	@scripts/venv.sh test
	scripts/apt.sh postgresql || [ -z "$${CI:-}" ]
	.venv/bin/python -m tests.django_suite.run $(SUITE)

test-shadow: ## recorded chains beside their eager shadows: Django's own tests of its ORM, on SQLite and PostgreSQL
	@scripts/venv.sh test
	scripts/apt.sh postgresql || [ -z "$${CI:-}" ]
	.venv/bin/python -m tests.django_suite.run --shadow $(SUITE)

fuzz-chains: ## random chains beside their eager shadows: CHAINS=20000 of them
	@scripts/venv.sh test
	CACHE_ME_TEST_VENDORS=default CACHE_ME_FUZZ_CHAINS=$(CHAINS) CACHE_ME_FUZZ_SEED=$${SEED:-$$RANDOM} .venv/bin/python -m pytest -s tests/test_chains_fuzz.py

judge: ## random programs, races and kill -9 against the database's own word, for MINUTES=10
	@scripts/venv.sh test
	scripts/apt.sh postgresql mariadb-server || [ -z "$${CI:-}" ]
	JUDGE_SECONDS=$$(( $(MINUTES) * 60 / 15 )) .venv/bin/python -m pytest -s tests/judges -k "not planted and not left_out"

simulate-rules: ## the rules of exact invalidation alone: TRIALS=1000000 random queries and writes, none stale
	@scripts/venv.sh
	.venv/bin/python -m tests.judges.rules_simulator --trials $(TRIALS)

test-oldest: ## the Python tests on the oldest Python and Django that are supported
	@scripts/venv.sh matrix
	scripts/apt.sh postgresql postgresql-15-postgis-3 mariadb-server redis-server memcached faketime || [ -z "$${CI:-}" ]
	JUDGE_SECONDS=2 .venv/bin/nox -s python3.8-django3.2 -- --ignore=tests/test_backends.py -k "not planted and not left_out"

test-matrix: ## the Python tests on all supported pairs of Python and Django
	@scripts/venv.sh matrix
	scripts/apt.sh postgresql postgresql-15-postgis-3 mariadb-server redis-server memcached faketime || [ -z "$${CI:-}" ]
	.venv/bin/nox

guard: ## count instructions of a hit, a save … under callgrind; fails when one has grown by over 5 %
	@scripts/venv.sh bench
	scripts/apt.sh gcc libc6-dev valgrind || [ -z "$${CI:-}" ]
	.venv/bin/python benchmarks/guard/run.py

guard-update: ## count them and keep the figures: make guard-update REASON="why they have changed"
	@scripts/venv.sh bench
	scripts/apt.sh gcc libc6-dev valgrind
	.venv/bin/python benchmarks/guard/run.py --update "$${REASON:-}"

soak: ## hits, misses and saves leave nothing behind: HITS=1000000 of each, in some minutes
	@scripts/venv.sh test
	SOAK_HITS=$${HITS:-1000000} CACHE_ME_TEST_VENDORS=default .venv/bin/python -m pytest -v tests/test_leaks.py

bench: ## hits, costs and mixed loads beside cacheops and cachalot; the store beside Redis (QUICK=1: a minute, to see that it works)
	@scripts/venv.sh bench
	scripts/apt.sh redis-server memcached postgresql
	if [ -z "$(QUICK)" ]; then
	  scripts/apt.sh g++ cmake ninja-build libgtest-dev libbenchmark-dev
	  scripts/preset.sh release
	fi
	.venv/bin/python benchmarks/run.py

bench-writes: ## hit rates and needless misses under 0.1 to 50 % writes, beside cacheops and cachalot (QUICK=1)
	@scripts/venv.sh bench
	scripts/apt.sh redis-server memcached postgresql
	.venv/bin/python benchmarks/run_writes.py
bench-rows: ## what making results of rows costs: from_db and pickle beside both tiers of the engine, in µs
	@scripts/venv.sh bench
	.venv/bin/python benchmarks/rows.py

lint: ## ruff, mypy and clang-format, as CI runs them
	@scripts/venv.sh lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	git ls-files 'engine/*.cpp' 'engine/*.hpp' | xargs .venv/bin/clang-format --dry-run -Werror

format: ## put all sources into their form
	@scripts/venv.sh lint
	.venv/bin/ruff check --fix -q . || true
	.venv/bin/ruff format -q .
	git ls-files -co --exclude-standard 'engine/*.cpp' 'engine/*.hpp' | xargs .venv/bin/clang-format -i

clean: ## remove what was built; databases of the example too
	rm -rf build .venv .nox dist var
	rm -f examples/atlas/db.sqlite3*
