# SPDX-License-Identifier: MIT
# Costs beside real peers; see README.md here. Never part of `make check`.
BENCH_TOOLS = \
	test/bench/bare_recycle \
	test/bench/datagrams \
	test/bench/dial \
	test/bench/pump
EXTRA_PROGRAMS = $(BENCH_TOOLS)
BENCH_SERVER = test/bench/server.c test/bench/server.h test/e2e/tool.c test/e2e/tool.h
test_bench_bare_recycle_SOURCES = test/bench/bare_recycle.c $(BENCH_SERVER)
test_bench_datagrams_SOURCES = test/bench/datagrams.c test/bench/way.c test/bench/way.h \
	test/e2e/tool.c test/e2e/tool.h
test_bench_dial_SOURCES = test/bench/dial.c $(BENCH_SERVER)
test_bench_pump_SOURCES = test/bench/pump.c test/e2e/tool.c test/e2e/tool.h
BENCHES = \
	test/bench/bench_bonding.py \
	test/bench/bench_bulk.py \
	test/bench/bench_connections.py \
	test/bench/bench_fairness.py \
	test/bench/bench_floods.py \
	test/bench/bench_hostile.py \
	test/bench/bench_idle.py \
	test/bench/bench_limits.py \
	test/bench/bench_recycle.py \
	test/bench/bench_slow_reader.py \
	test/bench/bench_udp.py
EXTRA_DIST += $(BENCHES) test/bench/README.md test/bench/peers.py test/bench/probe.py
CLEANFILES += $(BENCH_TOOLS)
bench: splitsocks $(BENCH_TOOLS) $(E2E_TOOLS)
	for bench in $(BENCHES); do \
		TOP_BUILDDIR=$(abs_top_builddir) $(PYTHON3) $(top_srcdir)/$$bench || exit 1; \
	done
