# SPDX-License-Identifier: MIT
# One libFuzzer target per parser. Without --enable-fuzzers each is linked with main.c, which
# replays test/fuzz/corpus/X for fuzz_X in `make check`. A new target is its name in
# FUZZ_TARGETS, its _SOURCES and its _LDADD, and a folder with at least one file.
FUZZ_TARGETS = \
	test/fuzz/fuzz_config \
	test/fuzz/fuzz_frame \
	test/fuzz/fuzz_handshake \
	test/fuzz/fuzz_names \
	test/fuzz/fuzz_rules \
	test/fuzz/fuzz_session_local \
	test/fuzz/fuzz_session_relay \
	test/fuzz/fuzz_socks5 \
	test/fuzz/fuzz_wire
if FUZZERS
FUZZ_MAIN =
FUZZ_MUTATE = test/fuzz/mutate.c
noinst_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_MAIN = test/fuzz/main.c
FUZZ_MUTATE =
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
endif
EXTRA_DIST += test/fuzz/corpus test/fuzz/main.c test/fuzz/mutate.c
FUZZ_LAYOUT = test/fuzz/layout.c test/fuzz/layout.h
# Sessions are fuzzed without cryptography: the toy stands for the room `crypto`.
FUZZ_SESSION = test/fuzz/engine.c test/fuzz/engine.h test/fuzz/toy_crypto.c $(FUZZ_LAYOUT) \
	$(FUZZ_MUTATE)
FUZZ_SESSION_ROOMS = libgate.a libproxy.a libnames.a $(ENGINE_ROOMS) libwire.a $(BASE)
test_fuzz_fuzz_config_SOURCES = test/fuzz/fuzz_config.c $(FUZZ_MAIN)
test_fuzz_fuzz_config_LDADD = $(CONFIG) $(FUZZ_ENGINE)
test_fuzz_fuzz_frame_SOURCES = test/fuzz/fuzz_frame.c $(FUZZ_LAYOUT) $(FUZZ_MAIN)
test_fuzz_fuzz_frame_LDADD = $(WIRE) $(FUZZ_ENGINE)
test_fuzz_fuzz_handshake_SOURCES = test/fuzz/fuzz_handshake.c $(FUZZ_MAIN)
test_fuzz_fuzz_handshake_LDADD = $(GATE) $(FUZZ_ENGINE)
test_fuzz_fuzz_names_SOURCES = test/fuzz/fuzz_names.c $(FUZZ_MAIN)
test_fuzz_fuzz_names_LDADD = $(GATE) $(FUZZ_ENGINE)
test_fuzz_fuzz_rules_SOURCES = test/fuzz/fuzz_rules.c $(FUZZ_MAIN)
test_fuzz_fuzz_rules_LDADD = $(PROXY) $(FUZZ_ENGINE)
test_fuzz_fuzz_session_local_SOURCES = test/fuzz/fuzz_session_local.c $(FUZZ_SESSION) $(FUZZ_MAIN)
test_fuzz_fuzz_session_local_LDADD = $(FUZZ_SESSION_ROOMS) $(FUZZ_ENGINE)
test_fuzz_fuzz_session_relay_SOURCES = test/fuzz/fuzz_session_relay.c $(FUZZ_SESSION) $(FUZZ_MAIN)
test_fuzz_fuzz_session_relay_LDADD = $(FUZZ_SESSION_ROOMS) $(FUZZ_ENGINE)
test_fuzz_fuzz_socks5_SOURCES = test/fuzz/fuzz_socks5.c $(FUZZ_MAIN)
test_fuzz_fuzz_socks5_LDADD = $(PROXY) $(FUZZ_ENGINE)
test_fuzz_fuzz_wire_SOURCES = test/fuzz/fuzz_wire.c $(FUZZ_MAIN)
test_fuzz_fuzz_wire_LDADD = $(BASE) $(FUZZ_ENGINE)
