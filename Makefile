# Thin words; the work is in CMake and scripts/.
.PHONY: setup configure demo test bench

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

bench: configure
	cmake --build --preset release --target kerf bench_gateway
	scripts/bench.sh
