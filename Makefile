# Thin words; the work is in CMake and scripts/.
.PHONY: setup configure demo test conformance differential bench deb fuzz mutants swaps

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

# Generated cases against the official engine: make differential CASES=N SEED=S
CASES ?= 20000
SEED ?= 1
differential: configure
	cmake --build --preset release --target differential_language
	build/release/differential_language $(CASES) $(SEED)

bench: configure
	cmake --build --preset release --target kerf bench_frontend bench_memory bench_gateway bench_engine
	scripts/bench.sh
	scripts/bench_serve.sh

# Packages in build/release/packages.
deb: configure
	cmake --build --preset release --target kerf kerf-codegen libkerf kerf_share
	cd build/release && cpack

# One fuzz target under the sanitizers: make fuzz TARGET=policy_text SECONDS=600. The targets are in tests/fuzz/targets.def.
TARGET ?= policy_text
SECONDS ?= 600
fuzz:
	scripts/setup.sh fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzz_$(TARGET) seeds
	tests/fuzz/run.sh $(TARGET) $(SECONDS) $(CORPUS)

# Faults in lowering, staging and table emission, one at a time: make mutants MUTANTS=300 FILES=passes/stage
# MUTANTS=0: all of them, which takes hours.
MUTANTS ?= 300
FILES ?=
mutants:
	scripts/setup.sh mutants
	cmake --preset release
	/usr/bin/python3 tests/mutants/run.py . build/release --count $(MUTANTS) --seed $(SEED) --files '$(FILES)'

# Replacements of a bundle while its tasks connect, some loaders killed: make swaps SWAPS=100 CONNECTS=1000000
SWAPS ?= 100
CONNECTS ?= 1000000
swaps: configure
	cmake --build --preset release --target test_kernel kerf-codegen
	KERF_SWAPS=$(SWAPS) KERF_CONNECTS=$(CONNECTS) KERF_SEED=$(SEED) build/release/test_kernel -tc='over many*' -s
