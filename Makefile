# A facade: every target is a few words over the CMake presets.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
SERVER ?= build/release/batchgate

.PHONY: help deps build demo test asan tsan fuzz bench tidy cppcheck format format-check coverage image clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

deps: ## install what is missing for building and testing (Debian, apt)
	@sh scripts/install-deps.sh build test

build: ## build build/release/batchgate
	@sh scripts/install-deps.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target batchgate

demo: build ## build, start a server and an upstream, run a batch, show it
	@/usr/bin/python3 examples/demo.py $(SERVER)

test: deps ## everything: tests, sanitizers, short fuzzing, static analysis
	@bash scripts/test.sh

asan: deps ## unit and integration tests under ASan and UBSan
	@bash scripts/test.sh asan

tsan: deps ## the same under TSan
	@bash scripts/test.sh tsan

fuzz: deps ## every fuzz target, 10 minutes each (FUZZ_SECONDS=600)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} bash scripts/test.sh fuzz

bench: ## measure against the yardsticks in bench/
	@sh scripts/install-deps.sh build bench
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target batchgate bench
	@/usr/bin/python3 bench/run.py

tidy cppcheck format format-check: deps ## analysis and format, by clang's tools and cppcheck
	@cmake --preset clang >/dev/null
	@cmake --build --preset clang --target $@

coverage: deps ## lines that the tests run; 90 % in pool/ and batch/
	@cmake --preset coverage >/dev/null
	@cmake --build --preset coverage -j $(JOBS)
	@find build/coverage -name '*.gcda' -delete
	@ctest --preset coverage -j $(JOBS) -L 'unit|integration'; tests=$$?; \
	/usr/bin/python3 scripts/coverage.py build/coverage . && exit $$tests

image: ## build the container image
	@docker build -t batchgate -f docker/Dockerfile .

clean: ## remove build/
	@rm -rf build
