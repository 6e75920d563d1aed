# A facade: every target is a few words over the CMake presets.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
SERVER ?= build/release/batchgate

SECONDS ?= 300

.PHONY: help deps build install deb test-deb reference demo test asan tsan fuzz soak bench tidy cppcheck format format-check coverage test-trixie image test-image clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

deps: ## install what is missing for building and testing (Debian, apt)
	@sh scripts/install-deps.sh build test

build: ## build build/release/batchgate
	@sh scripts/install-deps.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target batchgate

PREFIX ?= /usr/local
DESTDIR ?=
install: build ## install under PREFIX=/usr/local (DESTDIR=folder): program, man pages, completion, unit, example
	@cmake --build --preset release -j $(JOBS) --target manual-pages
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

deb: ## build the Debian package, build/deb/batchgate_*.deb, with the page of GET /docs
	@sh scripts/install-deps.sh build docs package
	@cmake --preset deb >/dev/null
	@cmake --build --preset deb -j $(JOBS) --target batchgate manual-pages
	@rm -f build/deb/batchgate_*.deb
	@cd build/deb && { cpack >cpack.log 2>&1 || { cat cpack.log; exit 1; }; }
	@ls -l build/deb/batchgate_*.deb

test-deb: deb ## install, start, upgrade, remove and purge the package in a clean chroot; needs root
	@sh scripts/install-deps.sh package-test
	@cmake --preset deb >/dev/null
	@cmake --build --preset deb -j $(JOBS) --target confined
	@$$([ "$$(id -u)" = 0 ] || echo sudo) /usr/bin/python3 tests/package/deb.py build/deb/batchgate_*.deb build/deb/confined

reference: ## renew docs/configuration.md from common/settings.def
	@sh scripts/install-deps.sh build
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target reference

demo: build ## build, start a server and an upstream, run a batch, show it
	@/usr/bin/python3 examples/demo.py $(SERVER)

test: deps ## everything: tests, sanitizers, short fuzzing, static analysis, container image, package
	@bash scripts/test.sh

asan: deps ## unit and integration tests under ASan and UBSan
	@bash scripts/test.sh asan

tsan: deps ## the same under TSan
	@bash scripts/test.sh tsan

fuzz: deps ## every fuzz target, 10 minutes each (FUZZ_SECONDS=600)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} bash scripts/test.sh fuzz

soak: deps build ## mixed faults for 5 minutes (SECONDS=300), judged by a checker; SEED=n runs one again
	@BATCHGATE_BIN=$(SERVER) SOAK_SECONDS=$(SECONDS) SOAK_SEED=$(SEED) /usr/bin/python3 tests/soak/soak.py

bench: ## measure against the yardsticks in bench/ (PARTS="fairness overload": those)
	@sh scripts/install-deps.sh build bench
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) --target batchgate bench
	@/usr/bin/python3 bench/run.py $(PARTS)

tidy cppcheck format format-check: deps ## analysis and format, by clang's tools and cppcheck
	@cmake --preset clang >/dev/null
	@cmake --build --preset clang --target $@

coverage: deps ## lines that the tests run; 90 % in pool/ and batch/
	@cmake --preset coverage >/dev/null
	@cmake --build --preset coverage -j $(JOBS)
	@find build/coverage -name '*.gcda' -delete
	@ctest --preset coverage -j $(JOBS) -L 'unit|integration'; tests=$$?; \
	/usr/bin/python3 scripts/coverage.py build/coverage . && exit $$tests

test-trixie: ## build and test in Debian 13, in a tree under build/ (root)
	@bash scripts/trixie.sh

image: ## build the container image, with docker or without an engine (buildah)
	@sh scripts/image.sh build batchgate

test-image: ## build the image and test it running
	@/usr/bin/python3 tests/image/image.py

clean: ## remove build/
	@sh scripts/image.sh clean
	@rm -rf build
