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

# Generated cases against the official engine: make differential CASES=N SEED=S. The kernel's side too, with SETS of policies:
# make differential SETS=5000 EVENTS=50 SEED=S JOBS=2
CASES ?= 20000
SEED ?= 1
SETS ?=
EVENTS ?= 50
JOBS ?= 2
differential: configure
ifeq ($(SETS),)
	cmake --build --preset release --target differential_language
	build/release/differential_language $(CASES) $(SEED)
else
	cmake --build --preset release --target differential residual kerf-codegen
	tests/semantics/sets.sh build/release $(SETS) $(EVENTS) $(SEED) $(JOBS)
endif

bench: configure
	cmake --build --preset release --target kerf bench_frontend bench_memory bench_gateway bench_engine bench_verify bench_kernel bench_compile \
	  bench_time_opens bench_with_empty
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
	cmake --preset release
	cmake --build --preset release --target seeds
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzz_$(TARGET)
	tests/fuzz/run.sh $(TARGET) $(SECONDS) $(CORPUS)

# Faults in lowering, staging and table emission, one at a time: make mutants MUTANTS=1000 FILES=passes/stage
# One of every function; so many; or with MUTANTS=0 all of them, which takes hours: the next run goes on where one ended.
MUTANTS ?= each
FILES ?=
JOBS ?= 2
MINUTES ?=
mutants:
	scripts/setup.sh mutants
	cmake --preset release
	/usr/bin/python3 tests/mutants/run.py . build/release --count $(MUTANTS) --seed $(SEED) --jobs $(JOBS) --files '$(FILES)' $(if $(MINUTES),--minutes $(MINUTES))

# Replacements of a bundle while its tasks connect here, and open files in a guest, some loaders killed:
#   make swaps SWAPS=100 CONNECTS=1000000 OPENS=1000000 KERNEL=linux-image-6.12-cloud-amd64
SWAPS ?= 100
CONNECTS ?= 1000000
OPENS ?= 1000000
KERNEL ?= linux-image-6.12-cloud-amd64
swaps: configure
	cmake --build --preset release
	KERF_SWAPS=$(SWAPS) KERF_CONNECTS=$(CONNECTS) KERF_SEED=$(SEED) build/release/test_kernel -tc='over many*'
	KERF_SWAPS=$(SWAPS) KERF_OPENS=$(OPENS) KERF_SEED=$(SEED) KERF_SWAPS_SECONDS=100000 KERF_GUEST_SECONDS=100000 \
	  tests/kernel/guest/run.sh $(KERNEL) $(CURDIR)/build/release $(CURDIR) swaps
