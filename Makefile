# Takt: one file, no recursion. `make help` says what there is.
# A source file belongs to the library of its folder; nothing has to be listed here twice.

BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local
# Only the libraries a program uses are linked into it.
LDFLAGS += -Wl,--as-needed
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

CFLAGS  ?= -O2 -g1
WARN    := -std=c11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wno-unused-parameter
DEFINES := -D_GNU_SOURCE -I. -pthread -ffunction-sections -fdata-sections
comma   := ,
# make check SANITIZE=address,undefined builds into its own folder.
ifdef SANITIZE
BUILD   := build/$(subst $(comma),-,$(SANITIZE))
CFLAGS  += -O1 -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
endif

# make CROSS=armhf|mipsel: camd and what it is made of, for a camera's processor, into its own
# folder; `make CROSS=armhf check` runs their unit tests under qemu-user (docs/firmware.md).
ifdef CROSS
armhf_TRIPLET  := arm-linux-gnueabihf
armhf_CPU      := -mcpu=cortex-a7 -mfpu=neon-vfpv4 -mfloat-abi=hard -mthumb
armhf_QEMU     := qemu-arm-static -cpu cortex-a7
# XBurst, little endian. Its own FPU runs either register model; Debian's libraries use FPXX.
mipsel_TRIPLET := mipsel-linux-gnu
mipsel_CPU     := -march=mips32r2
mipsel_QEMU    := qemu-mipsel-static -cpu 24Kf
# It has no 64-bit atomics of its own; libcrypto needs them as well.
mipsel_LIBS    := -latomic
TRIPLET := $($(CROSS)_TRIPLET)
ifndef TRIPLET
$(error CROSS=$(CROSS): expected armhf or mipsel)
endif
SYSROOT := build/sysroot-$(CROSS)
ifneq ($(shell .ci/sysroot $(CROSS) && echo there),there)
$(error CROSS=$(CROSS): there is no $(SYSROOT))
endif
BUILD   := build/$(CROSS)
CC      := $(TRIPLET)-gcc --sysroot=$(SYSROOT)
STRIP   := $(TRIPLET)-strip
# Times and file sizes of 64 bits: units are sold past 2038 and take cards past 2 GiB.
CFLAGS  += $($(CROSS)_CPU) -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
# The same bytes wherever it is built.
CFLAGS  += -ffile-prefix-map=$(CURDIR)=.
export PKG_CONFIG_SYSROOT_DIR := $(SYSROOT)
export PKG_CONFIG_LIBDIR := $(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig
# What tests/run starts test programs with.
export RUNNER := $($(CROSS)_QEMU) -L $(SYSROOT)
endif

# ---- libraries: one archive per house, in the order of who may use whom --------------------
# name           folders                                                packages
protocol_DIRS     := protocol protocol/base protocol/wire protocol/transport protocol/formats
measure_DIRS      := station/measure
fixtures_DIRS     := fixtures fixtures/virtual
provisioning_DIRS := provisioning
reports_DIRS      := reports reports/statistics reports/store reports/outbox
flash_DIRS        := station/flash station/flash/network station/flash/sd station/flash/uart \
                     station/flash/usb
plan_DIRS         := station/plan
steps_DIRS        := station/steps
campaign_DIRS     := station/campaign
study_DIRS        := station/study
engine_DIRS       := station/engine
console_DIRS      := station/console
cli_DIRS          := station/cli
firmware_DIRS     := firmware/camd firmware/cast firmware/factory firmware/media firmware/update firmware/hal \
                     firmware/hal/emulator firmware/hal/linux

STATION   := $(if $(CROSS),,cli console study engine campaign steps plan flash measure fixtures provisioning reports)
LIBRARIES := protocol firmware $(STATION)

# Libraries of the machine each program links (docs/dependencies.md says why each is there).
FIRMWARE_PKGS := libcjson libcrypto libssl libserialport alsa
# Talkback (protocol/formats/opus_sound, firmware/media/voice): linked alone, their headers ask for
# no flags.
SOUND_PKGS    := opus speexdsp
STATION_PKGS  := libcjson libcrypto libssl libserialport sqlite3 libpq libcurl libqpid-proton \
                 ncursesw libavformat libavcodec libswscale libavutil libpng libqrencode \
                 cairo pangocairo xlsxwriter libmicrohttpd libusb-1.0 zlib p11-kit-1 libmodbus alsa

CATALOGUES := $(patsubst station/console/po/%.po,$(BUILD)/locale/%/LC_MESSAGES/takt.mo, \
                $(wildcard station/console/po/*.po))
PROGRAMS := $(if $(CROSS),,$(BUILD)/takt $(BUILD)/taktd) $(BUILD)/camd $(BUILD)/castflash
MAINS    := station/cli/takt.c station/engine/taktd.c firmware/camd/camd.c firmware/cast/castflash.c

ifdef CROSS
STATION_PKGS := $(FIRMWARE_PKGS)
CATALOGUES   :=
endif
PKG_CFLAGS := $(shell pkg-config --cflags $(STATION_PKGS) 2>/dev/null)
FIRMWARE_LDLIBS = $(shell pkg-config --libs $(FIRMWARE_PKGS) $(SOUND_PKGS)) -lm $($(CROSS)_LIBS)
STATION_LDLIBS  = $(shell pkg-config --libs $(STATION_PKGS) $(SOUND_PKGS)) $(if $(CROSS),,-lcups) -lm $($(CROSS)_LIBS)

COMPILE = $(CC) $(WARN) $(DEFINES) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP

.PHONY: all demo test check suites bench fuzz soak image install deb format arrows clean help FORCE
# Objects of tests, which rules alone lead to, are kept. Not all: what is secondary is not made while
# its library is newer, so that a new source would not get in.
.SECONDARY: $(patsubst %.c,$(BUILD)/%.o,$(shell find tests -name '*.c' 2>/dev/null))
.DELETE_ON_ERROR:

all: $(PROGRAMS) $(CATALOGUES) ## build the programs into build/

# $(1) library: its sources (main files are linked by name, never archived), objects, archive.
define library
$(1)_SRCS := $$(filter-out $(MAINS),$$(wildcard $$(addsuffix /*.c,$$($(1)_DIRS))))
$(1)_OBJS := $$(patsubst %.c,$(BUILD)/%.o,$$($(1)_SRCS))
$(BUILD)/lib$(1).a: $$($(1)_OBJS)
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$($(1)_OBJS)
endef
$(foreach l,$(LIBRARIES),$(eval $(call library,$(l))))

STATION_LIBS  := $(patsubst %,$(BUILD)/lib%.a,$(STATION) protocol)
FIRMWARE_LIBS := $(patsubst %,$(BUILD)/lib%.a,firmware protocol)
ALL_LIBS      := $(patsubst %,$(BUILD)/lib%.a,$(STATION) firmware protocol)

$(BUILD)/%.o: %.c $(BUILD)/flags $(SYSROOT:%=%/.stamp)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(COMPILE) -c $< -o $@

# What the object is made of beside its source.
$(BUILD)/fixtures/scpi_profile.o: $(wildcard fixtures/profiles/*.json)

# Loops over pixels and samples become vectors; nothing there asks for errno or traps.
$(BUILD)/station/measure/%.o $(BUILD)/firmware/hal/emulator/%.o: CFLAGS += -O3 -fno-math-errno -fno-trapping-math

# Objects follow a change of the flags, and only the version file follows a commit. Suites that run
# side by side each call make: the name in between is that call's own.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' > $@
$(BUILD)/version.c: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; \
	    printf '#include "protocol/base/version.h"\nconst char takt_version[] = "%s";\nconst long long takt_build_time_s = %s;\n' \
	    '$(VERSION)' '$(SOURCE_DATE_EPOCH)' > $$new; \
	    if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
$(BUILD)/version.o: $(BUILD)/version.c
	@$(COMPILE) -c $< -o $@
FORCE:

$(BUILD)/takt: $(BUILD)/station/cli/takt.o $(STATION_LIBS) $(BUILD)/version.o
	@echo "  link  $@"
	@$(CC) $(LDFLAGS) -pthread -o $@ $^ $(STATION_LDLIBS)
$(BUILD)/taktd: $(BUILD)/station/engine/taktd.o $(STATION_LIBS) $(BUILD)/version.o
	@echo "  link  $@"
	@$(CC) $(LDFLAGS) -pthread -o $@ $^ $(STATION_LDLIBS)
$(BUILD)/camd: $(BUILD)/firmware/camd/camd.o $(FIRMWARE_LIBS) $(BUILD)/version.o
	@echo "  link  $@"
	@$(CC) $(LDFLAGS) -pthread -Wl,--gc-sections -o $@ $^ $(FIRMWARE_LDLIBS)

$(BUILD)/castflash: $(BUILD)/firmware/cast/castflash.o $(FIRMWARE_LIBS) $(BUILD)/version.o
	@echo "  link  $@"
	@$(CC) $(LDFLAGS) -pthread -Wl,--gc-sections -o $@ $^ $(FIRMWARE_LDLIBS)

$(BUILD)/locale/%/LC_MESSAGES/takt.mo: station/console/po/%.po
	@mkdir -p $(@D)
	@msgfmt --check -o $@ $<

# ---- tests ----------------------------------------------------------------------------------
TEST_DIRS  := $(if $(CROSS),tests/unit/protocol tests/unit/firmware,tests/unit)
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(shell find $(TEST_DIRS) -name 'test_*.c' 2>/dev/null))
# What has threads: the thread sanitizer is too slow for pictures, and has nothing to find there.
THREADED   := protocol/test_session% fixtures/% steps/% firmware/test_agent \
              $(addprefix firmware/hal/emulator/test_,audio motor power radio)
ifeq ($(SANITIZE),thread)
UNIT_TESTS := $(filter $(addprefix $(BUILD)/tests/unit/,$(THREADED)),$(UNIT_TESTS))
endif
# `make check CROSS=mipsel LEFT_OUT=` runs them all the same.
ifdef CROSS
LEFT_OUT     := $(addprefix firmware/hal/emulator/test_,audio camera picture radio)
LEFT_OUT_WHY := emulated floating point is too slow for its pictures, sound and air in real time
UNIT_TESTS   := $(filter-out $(addprefix $(BUILD)/tests/unit/,$(LEFT_OUT)),$(UNIT_TESTS))
endif
FUZZERS    := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES    := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/bench_*.c))
# stub_kernel.c is for the machine: stub.bash compiles it.
PEERS      := $(filter-out %/stub_kernel,$(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c tests/machine/*.c)))

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(ALL_LIBS) $(BUILD)/version.o
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -pthread -o $@ $(filter %.o,$^) $(filter %.a,$^) $(STATION_LDLIBS) \
	    $(FIRMWARE_LDLIBS) -lcmocka

# What makes up a bus of devices in front of libc, where the sanitizers want to stand themselves.
ifndef SANITIZE
MADE_UP_BUS := $(addprefix $(BUILD)/tests/unit/flash/,test_usb_ports test_usb_transfers)
$(MADE_UP_BUS): private STATION_LDLIBS += $(shell pkg-config --libs umockdev-1.0 2>/dev/null)
$(MADE_UP_BUS:=.o) $(BUILD)/tests/unit/flash/usb_play/played_bus.o: private PKG_CFLAGS += $(shell pkg-config --cflags umockdev-1.0 2>/dev/null)
else
UNIT_TESTS := $(filter-out %/test_usb_ports %/test_usb_transfers,$(UNIT_TESTS))
endif
$(BUILD)/tests/unit/flash/test_usb_transfers: $(BUILD)/tests/unit/flash/usb_play/played_bus.o \
    $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/machine/usb/*.c))

# What the kernel does with the files of devices is played in front of libc.
$(BUILD)/tests/unit/fixtures/test_device_files: LDFLAGS += -Wl,--wrap=open,--wrap=ioctl,--wrap=read

# A program of several files: the units that tests/machine/usb_*.sh plays on USB.
$(BUILD)/tests/machine/usb_gadget: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/machine/usb/*.c))

# A program of several files that stand where the clock, the sessions and the fixture process do:
# theirs come first.
REHEARSE := $(BUILD)/tests/rehearsal/rehearse
$(REHEARSE): LDFLAGS += -Wl,--allow-multiple-definition,--wrap=pthread_create,--wrap=pthread_join,--wrap=_exit,--wrap=mallopt,--wrap=painter_create,--wrap=painter_paint,--wrap=painter_free,--wrap=room_make,--wrap=sensor_create,--wrap=sensor_free,--wrap=sensor_meter,--wrap=sensor_expose
$(REHEARSE): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/rehearsal/*.c))

# What the suites of tests/integration and tests/machine start.
suites: all $(PEERS) $(REHEARSE)

check: $(UNIT_TESTS) arrows ## unit tests, under a minute
	@for t in $(LEFT_OUT); do echo "  left out: $$t ($(LEFT_OUT_WHY))"; done
	@tests/run $(UNIT_TESTS)

test: ## everything, from nothing; the last line counts
	@.ci/install build run test cross
	@tests/all

soak: ## the long proofs, each with its seed; their summaries are in docs/evidence
	@.ci/install build run test cross
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(MAKE) --no-print-directory image BOARD=qemu-virt
	@for suite in tests/soak/*.sh; do $$suite || failed=1; done; [ -z "$$failed" ]

arrows: ## who includes whom, held against docs/architecture.md
	@tests/arrows

# Fuzz targets are built apart, by clang with libFuzzer and sanitizers; what they test once for all.
FUZZ_SECONDS ?= 60
FUZZ_SRCS := $(protocol_SRCS) $(plan_SRCS) $(provisioning_SRCS) station/flash/network/tftp_transfer.c station/flash/network/cast_sender.c \
             station/flash/usb/sparse.c station/flash/usb/usb_descriptors.c
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@clang -std=c11 $(DEFINES) $(PKG_CFLAGS) -g -O1 -MMD -MP -fsanitize=fuzzer-no-link $(FUZZ_SANITIZE) -c -o $@ $<
build/fuzz/libtested.a: $(FUZZ_SRCS:%.c=build/fuzz/%.o)
	@rm -f $@
	@ar rcs $@ $^
.SECONDARY: $(FUZZERS:build/fuzz/%=build/fuzz/tests/fuzz/%.o)
build/fuzz/%: build/fuzz/tests/fuzz/%.o build/fuzz/libtested.a
	@echo "  fuzz  $@"
	@clang -fsanitize=fuzzer $(FUZZ_SANITIZE) -pthread -Wl,--as-needed -Wl,--gc-sections -o $@ $^ $(STATION_LDLIBS)
fuzz: $(FUZZERS) ## every fuzz target for FUZZ_SECONDS each
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

bench: ## benchmarks, beside their peers, as a table of ratios
	@.ci/install build run test
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BENCHES)
	@tests/bench/run $(BUILD)

# ---- for people -----------------------------------------------------------------------------
demo: ## a line in a box: installs, builds, runs four virtual cameras through the line
	@.ci/install build run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@docs/demo

image: ## the firmware images and bundle of BOARD, in build/image/BOARD
	@.ci/install build run cross
	@[ -n "$(BOARD)" ] || { echo "make image: say BOARD=NAME, one of firmware/boards" >&2; exit 2; }
	@$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/takt
	@firmware/image/build "$(BOARD)"

format: ## lay out every source as .clang-format says
	@git ls-files '*.c' '*.h' | xargs clang-format -i

# The manual is made of what programs say on --help (station/package/man).
MANUAL := $(BUILD)/man/.made
$(MANUAL): $(PROGRAMS) station/package/man station/package/pages
	@rm -rf $(@D)
	@station/package/pages $(BUILD) $(@D)
	@touch $@

INSTALLED = $(DESTDIR)$(PREFIX)
install: all $(MANUAL) ## programs, manual, products, boards, systemd unit, udev rules; DESTDIR, PREFIX
	install -d $(INSTALLED)/bin $(INSTALLED)/share/takt $(INSTALLED)/share/man/man1 \
	    $(INSTALLED)/share/man/man8 $(INSTALLED)/share/bash-completion/completions \
	    $(INSTALLED)/lib/systemd/system $(INSTALLED)/lib/udev/rules.d $(INSTALLED)/lib/sysusers.d
	install -m 755 $(PROGRAMS) $(INSTALLED)/bin
	cp -r station/products station/campaigns firmware/boards station/package/examples $(INSTALLED)/share/takt/
	cp -r $(BUILD)/locale $(INSTALLED)/share/
	install -m 644 $(BUILD)/man/man1/* $(INSTALLED)/share/man/man1
	install -m 644 $(BUILD)/man/man8/* $(INSTALLED)/share/man/man8
	install -m 644 station/package/takt.bash-completion $(INSTALLED)/share/bash-completion/completions/takt
	ln -sf takt $(INSTALLED)/share/bash-completion/completions/taktd
	sed 's#@PREFIX@#$(PREFIX)#g' station/package/taktd.service.in > $(INSTALLED)/lib/systemd/system/taktd.service
	chmod 644 $(INSTALLED)/lib/systemd/system/taktd.service
	install -m 644 station/package/70-takt.rules $(INSTALLED)/lib/udev/rules.d
	install -m 644 station/package/takt.sysusers $(INSTALLED)/lib/sysusers.d/takt.conf

deb: ## a Debian package in build/deb
	@.ci/install build run package
	@$(MAKE) --no-print-directory -j$$(nproc) all $(MANUAL)
	@station/package/deb $(BUILD)

clean: ## remove everything built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Not within what .ci/sysroot unpacked.
-include $(shell find $(BUILD) -name '*-armhf' -prune -o -name '*-mipsel' -prune \
            -o -type f -name '*.d' -print 2>/dev/null)
