# From a clean clone: `make demo` restores a sample image, `make test` runs every check.
# SWIFT_FLAGS is handed to the builds, for instance SWIFT_FLAGS="-j 2".

SWIFT_FLAGS ?=
BUILD = swift build -c release $(SWIFT_FLAGS)
TEST = swift test -c release --skip-build --disable-swift-testing

# The simulator run needs the program's `doctor` command.
OCLGRIND ?= $(if $(wildcard Sources/CLI/DoctorCommand.swift),1)

.DEFAULT_GOAL := help
.PHONY: docs test-tutorial test-examples help setup setup-test setup-second build mpi build-tests test test-all test-browser \
	test-second test-third setup-third lint-gpu gpu-folder test-scripts package test-package install \
	uninstall demo lint lint-swift oclgrind format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: ## install what building and running need
	@Scripts/setup.sh build

setup-test:
	@Scripts/setup.sh test

build: setup ## build the program: .build/release/restormer
	$(BUILD)

mpi: build ## let mpirun and srun start ranks that train together (needs Open MPI or MPICH)
	@Scripts/mpi.sh

test-ranks: mpi ## kill ranks in the midst of training, and let the run go on
	@Scripts/test-ranks.sh

test-hosts: mpi ## cut one of two hosts off in the midst of training (root: hosts are network namespaces)
	@Scripts/test-hosts.sh

SLURM_MPI ?= openmpi
test-slurm: mpi ## a running Slurm stops, requeues and finishes the example job; some minutes (SLURM_MPI=openmpi or mpich)
	@Scripts/test-slurm.sh $(SLURM_MPI)

build-tests: setup-test
	$(BUILD) --build-tests

test: setup-test lint build-tests ## lint, build, test suite, kernels under oclgrind
	$(TEST)
	@$(if $(filter 1,$(OCLGRIND)),Scripts/oclgrind.sh)

test-all: ## the same with the slow tests
	RESTORMER_SLOW_TESTS=1 $(MAKE) test

test-browser: build-tests ## reports and the server's page in a real browser (installs Chromium without windows, 100 MB)
	@Scripts/setup.sh browser
	RESTORMER_BROWSER_TESTS=1 RESTORMER_AXE="$$(Scripts/fetch-axe.sh)" $(TEST) --filter BrowserTests

test-tutorial: build ## every command of the tutorial, as it is written
	@Scripts/test-tutorial.sh

test-examples: build ## a package that uses the library restores and trains
	@SWIFT_FLAGS="$(SWIFT_FLAGS)" Scripts/test-examples.sh

docs: build ## the libraries' documentation, into docs-output/
	@Scripts/docs.sh .build/release docs-output

test-second: build-tests ## the operator suite on a second OpenCL implementation
	@Scripts/second-opencl.sh test

test-third: build-tests build ## operators and a short training on Mesa's rusticl, which poses as a GPU
	@Scripts/third-opencl.sh test

setup-third: ## fetch that implementation (60 MB, nothing is installed)
	@Scripts/third-opencl.sh install

setup-second: ## fetch a second OpenCL implementation (Intel's CPU runtime, 800 MB)
	@Scripts/second-opencl.sh install

package: build ## a tarball and a .deb for people without Swift, into packages/
	@Scripts/setup.sh package
	Scripts/package.sh

test-package: package ## try both in an empty Debian 12 (root, debootstrap)
	Scripts/test-package.sh

PREFIX ?= /usr/local

install: ## lay out what was built: PREFIX=/usr/local DESTDIR=
	Scripts/install.sh .build/release/restormer "$(PREFIX)" "$(DESTDIR)"

uninstall: ## remove it again
	Scripts/install.sh --remove "$(PREFIX)" "$(DESTDIR)"

demo: build ## restore the sample page, train for two minutes, into demo-output/
	@Scripts/demo.sh

.PHONY: test-ranks test-hosts test-slurm fuzz protocols
fuzz: setup-test ## feed every reader with damaged files for a few minutes (FUZZ_SECONDS each, by default 20)
	@Scripts/fuzz.sh

lint: ## check kernels.cl with clang
	@Scripts/lint-kernels.sh

lint-gpu: build ## compile the kernels for GPUs that are not here, tabulate registers and loads (fetches 500 MB)
	@Scripts/lint-gpu.sh

gpu-folder: ## one folder under 30 MB that tries the program on a machine with a GPU and its driver
	@Scripts/gpu-folder.sh

test-scripts: ## test the set-up script on an invented machine
	@Scripts/test-setup.sh

protocols: ## generate the Swift of the .proto files anew
	@Scripts/setup.sh protocols
	@Scripts/protocols.sh

lint-swift: ## check the form of the Swift sources
	swift format lint --strict -r Sources Tests Fuzz Examples Package.swift

oclgrind: setup-test ## run every operator on a simulated device that finds races
	$(BUILD)
	@Scripts/oclgrind.sh

format: ## bring the Swift sources into form
	swift format -i -r Sources Tests Fuzz Examples Package.swift

clean: ## remove what was built
	rm -rf .build .build-sysroot packages docs-output demo-output
