# Thin words; the work is in CMake and scripts/.
.PHONY: setup build demo test

setup:
	scripts/setup.sh

build: setup
	cmake --preset release
	cmake --build --preset release

demo: build
	examples/agent-sandbox/demo.sh

test: build
	scripts/test.sh
