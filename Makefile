# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

SHELL := /bin/bash
CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
MACHINE := $(shell uname -m)
STATIC_TARGET := $(MACHINE)-unknown-linux-musl
STATIC := $(TARGET_DIR)/$(STATIC_TARGET)/dist/mynah
# The other processor that everything has to compile for.
OTHER_TARGET := $(if $(filter aarch64,$(MACHINE)),x86_64,aarch64)-unknown-linux-gnu
# A binary to carry along stays below 10 MB.
STATIC_MAX_BYTES := 10000000
MDBOOK_VERSION := 0.5.4
MDBOOK := $(TARGET_DIR)/tools/bin/mdbook

.PHONY: help demo test test-all check docs docs-check docs-update static bench install clean need-rust need-cc

help:
	@echo 'make demo      build, and show programs at work on a server (first start here)'
	@echo 'make test      install what the tests need, and run them all'
	@echo 'make test-all  the same in every mode, which takes twice as long'
	@echo 'make check     formats, lints, house rules, docs, the other processor'
	@echo 'make static    one static binary: $(STATIC)'
	@echo 'make docs      the user guide as a book, in docs/book'
	@echo 'make bench     what Mynah costs here, against native and against its peers'
	@echo 'make install   the static binary to $(DESTDIR)$(PREFIX)/bin (PREFIX=, DESTDIR=)'

need-rust:
	@command -v $(CARGO) >/dev/null || { echo 'There is no cargo here. Install Rust 1.88 or newer: https://rustup.rs' >&2; exit 1; }

# What rustc needs to link, and what the demo builds a program with.
need-cc:
	@command -v cc >/dev/null || .ci/need-packages gcc libc6-dev

demo: need-rust need-cc
	@$(CARGO) build --release -p mynah
	@$(TARGET_DIR)/release/mynah demo

test: need-rust need-cc
	@.ci/need-packages -f tests/packages.txt
	@.ci/run-tests

# Once more with every program traced (make test does a part of that).
test-all: export MYNAH_TEST_ALL = 1
test-all: test
	@MYNAH_TEST_MECHANISM=trace .ci/run-tests

check: need-rust need-cc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items
	$(CARGO) test -p mynah-testkit --test house
	@.ci/need-target $(OTHER_TARGET)
	RUSTFLAGS='-D warnings' $(CARGO) check --workspace --target $(OTHER_TARGET)

# The guide's pages, links and generated parts, without mdBook.
docs-check: need-rust
	$(CARGO) test -p mynah-testkit --test house docs
	$(CARGO) test -p mynah --test docs

# The pages that are made from the program, after it has changed.
docs-update: need-rust
	MYNAH_WRITE_DOCS=1 $(CARGO) test -p mynah --test docs

docs: $(MDBOOK)
	$(MDBOOK) build docs
	@echo 'docs/book/index.html'

$(MDBOOK): | need-rust
	@echo 'Installing mdBook $(MDBOOK_VERSION) into $(TARGET_DIR)/tools (once, some minutes)'
	$(CARGO) install mdbook --root $(TARGET_DIR)/tools --version =$(MDBOOK_VERSION) --locked

static: need-rust need-cc
	@.ci/need-target $(STATIC_TARGET)
	$(CARGO) build --profile dist --target $(STATIC_TARGET) -p mynah
	@.ci/check-static $(STATIC) $(STATIC_MAX_BYTES)

bench: need-rust need-cc
	@$(CARGO) build --release -p mynah
	@benches/run $(TARGET_DIR)/release/mynah

install: static
	install -D -m 755 $(STATIC) $(DESTDIR)$(PREFIX)/bin/mynah

clean:
	$(CARGO) clean
	rm -rf docs/book
