# Every command of this project is spelled here, and only here.

DURATION ?= 120
PORT ?=
KILLS ?= 200
SEED ?= 1
MINUTES ?= 5
ARGS ?=
SEEDS ?= 2000
FIRST ?= 0

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
S3 := .venv-s3

MOVIELENS = $(or $(RECSYS_DATA),$(error RECSYS_DATA must name the folder that ml-100k is in))/ml-100k

# A server is many processes: what they import is compiled once, not in each of them.
unexport PYTHONDONTWRITEBYTECODE

# A worker for each core; the tests of a file stay together, and so does what they share.
UNIT = $(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
  -m "not browser and not integration and not kafka and not s3"
# One Ray at a time, and nothing beside it: these tests are about times, too.
INTEGRATION = $(BIN)/pytest -o testpaths=tests/integration -m integration

MIND = $(or $(RECSYS_DATA),$(error RECSYS_DATA must name the folder that mind-5k is in))/mind-5k

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-unit soak-sim test-browser test-kafka test-s3 soak-store lint fmt lock clean \
        crash nemesis bench-quality bench-shown bench-recovery bench-replay bench-river bench-latency bench-ingest \
        bench-freshness bench-memory bench-learn bench-scale bench-mix bench-peers bench-kafka bench-moving-people bench-train \
        bench-taste-switch bench-return bench-turn-back bench-cold-users bench-regret bench-position-bias \
        bench-ablation scale-sim scale-costs

help:  ## say what there is
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 28

setup: $(STAMP)  ## make .venv with everything, if it is not there; all other targets do this first

# Python 3.11 to 3.13 must be there, or uv, which can fetch one.
$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	python=; \
	for name in $(BIN)/python python3.12 python3.13 python3.11 python3; do \
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	uv=; if uv --version >/dev/null 2>&1; then uv=yes; fi; \
	if [ -z "$$python" ] && [ -z "$$uv" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 on the PATH, and no uv to fetch one." >&2; exit 1; \
	fi; \
	if [ -n "$$uv" ]; then \
	  if [ "$$python" != $(BIN)/python ]; then \
	    uv venv --quiet --clear --python "$${python:-3.12}" $(VENV); \
	  fi; \
	  uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode \
	    -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  if [ "$$python" != $(BIN)/python ]; then \
	    "$$python" -m venv --clear $(VENV) || { \
	      echo "$$python cannot make virtual environments; on Debian: apt install python3-venv" >&2; \
	      exit 1; }; \
	  fi; \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	  echo "installing into $(VENV); the first time takes some minutes"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --no-build-isolation -e .; \
	fi; \
	touch $(STAMP)

demo: setup  ## a server and simulated people on it; DURATION=120 PORT=8000
	@$(BIN)/recsys demo --duration $(DURATION) $(if $(PORT),--port $(PORT))

serve: setup  ## the server with config/local.yaml; PORT=8000
	@$(BIN)/recsys serve --config config/local.yaml $(if $(PORT),--port $(PORT))

test: setup  ## the whole suite, except what needs a browser, Kafka or S3; ARGS="-k name"
	@$(UNIT) $(ARGS); unit=$$?; \
	case $$unit in 0|1|5) ;; *) exit $$unit;; esac; \
	$(INTEGRATION) $(ARGS); rest=$$?; \
	case $$unit,$$rest in 0,5|1,0|1,5) exit $$unit;; *) exit $$rest;; esac  # 5: nothing selected

test-unit: setup  ## what needs no Ray, on all cores; ARGS likewise
	@$(UNIT) $(ARGS)

test-kafka: setup  ## what needs Kafka; a broker is started by Java 17 and Maven, or KAFKA_BOOTSTRAP_SERVERS names one
	@$(BIN)/pytest -m kafka $(ARGS)

test-s3: setup $(S3)/.installed  ## copies of the shards in an object store; its server is installed, once
	@$(BIN)/pytest -o testpaths=tests/s3 -m s3 $(ARGS)

$(S3)/.installed: requirements-s3.lock | setup
	@if uv --version >/dev/null 2>&1; then \
	  uv venv --quiet --clear --python $(BIN)/python $(S3); \
	  uv pip install --quiet --python $(S3)/bin/python --require-hashes -r requirements-s3.lock; \
	else \
	  $(BIN)/python -m venv --clear $(S3); \
	  $(S3)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements-s3.lock; \
	fi
	@touch $@

soak-sim: setup  ## a shard in thousands of simulated worlds; SEEDS=2000 FIRST=0
	@$(BIN)/python -m tests.simulation.soak --seeds $(SEEDS) --first $(FIRST)

test-browser: setup  ## the console in Chromium, which must be installed
	@$(BIN)/pytest -m browser $(ARGS)

soak-store: setup  ## every byte of a small store cut and changed: some minutes
	@RECSYS_STRIDE=1 $(BIN)/pytest --timeout=1800 --show-capture=no tests/property/test_store_bytes.py $(ARGS)

lint: setup  ## style, types, and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: setup  ## put style right
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

crash: setup  ## kill -9 of shards at named points and at random; KILLS=200 SEED=1
	@$(BIN)/python -m benchmarks.crash --kills $(KILLS) --seed $(SEED) $(ARGS)

nemesis: setup  ## everything else is killed, stopped or kept from writing; SEED=1 MINUTES=5
	@$(BIN)/python -m benchmarks.nemesis --seed $(SEED) --minutes $(MINUTES) $(ARGS)

bench-quality: setup  ## how well it ranks; RECSYS_DATA=DIR with DIR/ml-100k in it
	@$(BIN)/recsys bench quality --dataset ml-100k --data $(MOVIELENS) $(ARGS)

bench-shown: setup  ## how well it ranks what was shown; RECSYS_DATA=DIR with DIR/mind-5k in it
	@$(BIN)/recsys bench quality --dataset mind-5k --data $(MIND) $(ARGS)

bench-recovery: setup  ## kill -9 of shards in a stream of events; what is lost
	@$(BIN)/python -m benchmarks.recovery $(ARGS)

bench-replay: setup  ## a data set replayed twice; RECSYS_DATA as above
	@$(BIN)/python -m benchmarks.replay --data $(MOVIELENS) $(ARGS)

bench-river: setup  ## the errors that River publishes, through our adapter; RECSYS_DATA as above
	@$(BIN)/python -m benchmarks.river --data $(MOVIELENS) $(ARGS)

bench-latency: setup  ## lists against an endpoint that does nothing, and beside learning; RECSYS_DATA=DIR with DIR/ml-1m
	@$(BIN)/recsys bench latency $(ARGS)

bench-ingest: setup  ## events a second that are on the disk and learned before their ack; RECSYS_DATA likewise
	@$(BIN)/recsys bench ingest $(ARGS)

bench-freshness: setup  ## how soon a click is seen by oneself and by others; RECSYS_DATA likewise
	@$(BIN)/recsys bench freshness $(ARGS)

bench-memory: setup  ## what a shard holds of a million people; ARGS="--users 100000"
	@$(BIN)/recsys bench memory $(ARGS)

bench-learn: setup  ## how fast one engine learns and answers on one core; RECSYS_DATA likewise
	@$(BIN)/recsys bench learn $(ARGS)

bench-scale: setup  ## what a request costs as people and items become more; ARGS="--plot scale.png"
	@$(BIN)/recsys bench scale $(ARGS)

bench-mix: setup  ## quality by numbers of shards that mix; RECSYS_DATA=DIR with ml-1m in it
	@$(BIN)/recsys bench mix --data $(RECSYS_DATA) $(ARGS)

bench-peers: setup  ## the obvious alternatives beside us, in an environment that goes; RECSYS_DATA likewise
	@$(BIN)/recsys bench peers $(ARGS)

bench-kafka: setup  ## from a record in Kafka to learned: events per second, and how fresh; ARGS="--json FILE"
	@$(BIN)/python -m benchmarks.kafka $(ARGS)

bench-moving-people: setup  ## who waits while a partition moves; ARGS="--people 15000"
	@$(BIN)/python -m benchmarks.moving_people $(ARGS)

bench-train: setup  ## what learning a history costs; RECSYS_DATA as above
	@$(BIN)/python -m benchmarks.training --data $(MOVIELENS) $(ARGS)

bench-taste-switch: setup  ## lists until somebody's new taste is served; ARGS="--seeds 1,2,3"
	@$(BIN)/python -m benchmarks.quality.taste_switch $(ARGS)

bench-return: setup  ## what is left of crowd A after a long while of crowd B; ARGS likewise
	@$(BIN)/python -m benchmarks.quality.return_to_taste $(ARGS)

bench-turn-back: setup  ## a person's taste turns and turns back; ARGS likewise
	@$(BIN)/python -m benchmarks.quality.turn_back $(ARGS)

bench-cold-users: setup  ## the first ten lists of new people against popularity's
	@$(BIN)/python -m benchmarks.quality.cold_users $(ARGS)

bench-regret: setup  ## regret in a stationary world against epsilon-greedy popularity's
	@$(BIN)/python -m benchmarks.quality.regret $(ARGS)

bench-position-bias: setup  ## whether what stood on top is believed to be good
	@$(BIN)/python -m benchmarks.quality.position_bias $(ARGS)

bench-ablation: setup  ## what each part adds; RECSYS_DATA=DIR with ml-100k, ml-1m and mind-5k in DIR
	@$(BIN)/python -m benchmarks.quality.ablation $(if $(RECSYS_DATA),--data $(RECSYS_DATA)) $(ARGS)

scale-sim: setup  ## clusters of 10, 100 and 1,000 shards, simulated; ARGS="--docs docs/capacity.md"
	@$(BIN)/python -m benchmarks.scale_sim $(ARGS)

scale-costs: setup  ## measure again what the simulation reckons with
	@$(BIN)/python -m benchmarks.scale_costs $(ARGS)
	@$(BIN)/python -m benchmarks.mix_costs

lock:  ## renew requirements*.lock; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --group dev --group browser --extra parquet --extra ann --extra cloud pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --group s3 -o requirements-s3.lock

clean:  ## remove what tests and tools left, but not .venv
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis demo-*.png
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
