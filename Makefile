# Thin words; the work is in CMake and scripts/.
.PHONY: setup configure demo test conformance bench

setup:
	scripts/setup.sh

configure: setup
	cmake --preset release

demo: configure
	cmake --build --preset release --target kerf kerf-codegen
	examples/agent-sandbox/demo.sh

test: configure
	cmake --build --preset release
	scripts/test.sh

# Against a directory laid out as the shared corpus: make conformance CORPUS=DIR
CORPUS ?= ../shared/corpus
conformance: configure
	cmake --build --preset release --target conformance
	build/release/conformance $(CORPUS) build/release/conformance-failures.txt

bench: configure
	cmake --build --preset release --target kerf bench_gateway
	scripts/bench.sh
	scripts/bench_serve.sh
