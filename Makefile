# washminute: built, installed and tested by PGXS.
#
#   make                   for the PostgreSQL of the first pg_config in PATH, or PG_CONFIG=...
#   make install           puts it there
#   make installcheck      runs the tests on a running server of your own, after make install
#   make check             runs all tests on throwaway clusters, from a fresh Debian on
#   make check-rest        of these, the requests over REST
#   make demo              replays a fleet's day on a cluster that stays up; TRACE=, SEED= and
#                          SPEED= stand in test/demo/run
#   make demo-stop         ends that cluster and removes it
#   make bench BENCH=name  measures on a throwaway cluster, and prints result NAME = NUMBER lines;
#                          what there is to measure stands in test/bench/run
#
# make CC=clang takes another compiler; make WM_WERROR= lets warnings pass.
#
# PGXS sets many variables after us (INSTALL, DATA, HEADERS, CC, ...), so our own begin with WM_.

EXTENSION  = washminute
MODULE_big = washminute
PG_CONFIG ?= pg_config

# the version stands in the control file only
WM_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" washminute.control)

#
# The library
#

WM_SOURCES = $(filter-out src/gateway/%,$(sort $(wildcard src/*.c src/*/*.c)))
WM_HEADERS = $(filter-out src/gateway/%,$(sort $(wildcard src/*.h src/*/*.h)))
OBJS       = $(WM_SOURCES:.c=.o)
SHLIB_LINK = -lm -lproj -lcurl -lcrypto -lz

PG_CPPFLAGS = -I$(srcdir)/src -DWASHMINUTE_VERSION=\"$(WM_VERSION)\" $(WM_FLAGS)

# warnings are errors, but for those that PostgreSQL's headers and idioms cause
WM_WERROR   = -Werror
WM_WARNINGS = -Wall -Wextra $(WM_WERROR) -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
# clang is given the flags and attributes that PostgreSQL was configured with, which may be gcc's
WM_CLANG    = -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
PG_CFLAGS   = $(WM_WARNINGS) $(if $(findstring clang,$(CC)),$(WM_CLANG))

# no bitcode for the JIT compiler: nothing here gains by it, and the build would need LLVM
override with_llvm = no

#
# The scripts: sql/generate puts them together
#

WM_SQL_FOLDERS = $(wildcard sql/install sql/code sql/schema sql/policy sql/api sql/updates)
WM_SQL_PARTS   = sql/generate sql/header.sql sql/header_update.sql washminute.control \
				 $(WM_SQL_FOLDERS) $(wildcard $(WM_SQL_FOLDERS:=/*.sql))
# versions that can be updated: those that a file sql/updates/OLD--NEXT.sql begins with
WM_RELEASED    = $(foreach file,$(wildcard sql/updates/*--*.sql),$(firstword $(subst --, ,$(notdir $(file)))))
DATA_built     = sql/washminute--$(WM_VERSION).sql $(WM_RELEASED:%=sql/washminute--%--$(WM_VERSION).sql)

#
# The tests: one named "install" runs first, the others by name
#

WM_REGRESS   = $(basename $(notdir $(sort $(wildcard test/sql/*.sql))))
WM_ISOLATION = $(basename $(notdir $(sort $(wildcard test/isolation/specs/*.spec))))

# pg_regress would take sql/NAME.sql for the test NAME
WM_TAKEN = $(filter $(basename $(notdir $(wildcard sql/*.sql))),$(WM_REGRESS))
$(if $(WM_TAKEN),$(error test/sql/$(firstword $(WM_TAKEN)).sql needs another name, since sql/ has a file of that name))

REGRESS        = $(filter install,$(WM_REGRESS)) $(filter-out install,$(WM_REGRESS))
REGRESS_OPTS   = --inputdir=test
ISOLATION      = $(filter install,$(WM_ISOLATION)) $(filter-out install,$(WM_ISOLATION))
ISOLATION_OPTS = --inputdir=test/isolation $(if $(filter 15,$(MAJORVERSION)),,--expecteddir=test/isolation)
ifneq ($(wildcard test/t/*.pl),)
TAP_TESTS      = 1
PROVE_TESTS    = $(sort $(wildcard test/t/*.pl))
endif

#
# Goals that work before PostgreSQL is installed do without PGXS
#

WM_OWN_GOALS = bench check check-rest demo demo-stop

ifneq ($(filter-out $(WM_OWN_GOALS),$(or $(MAKECMDGOALS),all)),)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error "$(PG_CONFIG) --pgxs" names no file: install PostgreSQL's server development files, or set PG_CONFIG)
endif
include $(PGXS)

PROVE_FLAGS += -I test/t/lib

$(OBJS): $(WM_HEADERS) washminute.control Makefile

$(DATA_built): $(WM_SQL_PARTS)
	sql/generate $(@:sql/washminute--%.sql=%) > $@

.DELETE_ON_ERROR:

endif

ifneq ($(filter check check-rest,$(MAKECMDGOALS)),)
.PHONY: check check-rest
check:
	@test/check
check-rest:
	@test/check rest
endif

ifneq ($(filter bench,$(MAKECMDGOALS)),)
.PHONY: bench
bench:
	@test/bench/run $(BENCH) $(PART)
endif

ifneq ($(filter demo demo-stop,$(MAKECMDGOALS)),)
.PHONY: demo demo-stop
demo:
	@test/demo/run
demo-stop:
	@test/demo/stop
endif
