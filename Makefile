# SPDX-License-Identifier: Apache-2.0
#
# The tasks of daily work, over meson and the scripts in tools/. Each of them
# installs what is missing, configures and builds what it needs.

PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
export PREFIX

.PHONY: all setup build demo test soak bench lint format install clean help \
  test-plain test-models test-install test-asan test-tsan fuzz

all: build

help:
	@echo 'make            build everything in build/: the command is build/weft'
	@echo 'make demo       run the main example, examples/digits, on 4 processes'
	@echo '                (ARGS=...)'
	@echo 'make test       all of the checks below; ends with the totals'
	@echo 'make test-plain   the tests and examples alone'
	@echo 'make test-asan    the same under AddressSanitizer and UBSan'
	@echo 'make test-tsan    the same under ThreadSanitizer'
	@echo 'make test-models  the models of protocols, by spin'
	@echo 'make test-install programs outside the tree against an installed copy'
	@echo 'make lint       the style checks; see tools/lint.sh'
	@echo 'make fuzz       the fuzz targets, WEFT_FUZZ_SECONDS=60 for all'
	@echo 'make soak       the full amounts; writes build/soak-report.txt'
	@echo '                (ARGS=ROW... for some of them)'
	@echo 'make bench      run the benchmarks, build/weft bench (ARGS=...)'
	@echo 'make format     lay out all C files with clang-format'
	@echo 'make install    install to PREFIX=$(PREFIX), below DESTDIR if set'
	@echo 'make setup      install the Debian packages that are missing'
	@echo 'make clean      remove everything that was built'

setup:
	@tools/setup.sh

build: setup
	@tools/build.sh plain

demo: setup
	@tools/build.sh plain weft examples/digits
	@build/weft run -n 4 build/examples/digits $(ARGS)

test: setup
	@tools/test.sh

test-plain test-models test-install test-asan test-tsan: setup
	@tools/test.sh $(@:test-%=%)

fuzz: setup
	@tools/test.sh fuzz

lint: build
	@tools/lint.sh

soak: setup
	@tools/soak.sh $(ARGS)

bench: build
	@build/weft bench $(ARGS)

format: setup
	@find include src cli examples bench tests -name '*.[ch]' -print0 | \
	  xargs -0 -r clang-format -i

install: build
	@DESTDIR='$(DESTDIR)' /usr/bin/meson install -C build --no-rebuild --quiet
	@# So that programs find the library at once, where that is ours to say.
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean:
	@rm -rf build build-asan build-tsan build-fuzz
