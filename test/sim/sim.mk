# SPDX-License-Identifier: MIT
# The network model has tests of its own, since every verdict of the simulator rests on it.
SIM_MODEL = \
	test/sim/clock.c test/sim/clock.h \
	test/sim/net.c test/sim/net.h test/sim/net_internal.h \
	test/sim/box.h test/sim/net_box.c \
	test/sim/net_pipe.c test/sim/net_tcp.c \
	test/sim/tap.h
check_PROGRAMS += test/sim/sim test/sim/test_net
TESTS += test/sim/sim test/sim/test_net
test_sim_sim_SOURCES = $(SIM_MODEL) \
	test/sim/aims.c \
	test/sim/app.c \
	test/sim/bonding.c \
	test/sim/bound.c test/sim/bound.h \
	test/sim/calls.c \
	test/sim/compare.c test/sim/compare.h \
	test/sim/directed.c test/sim/directed.h test/sim/directed_internal.h \
	test/sim/draw_flows.c \
	test/sim/draw_limits.c \
	test/sim/fault.c \
	test/sim/flow.c \
	test/sim/flow_watch.c \
	test/sim/forgetful.c \
	test/sim/limits.c test/sim/limits.h \
	test/sim/local.c \
	test/sim/main.c \
	test/sim/meter.c test/sim/meter.h \
	test/sim/process.c \
	test/sim/relay.c \
	test/sim/scenario.c test/sim/scenario.h \
	test/sim/sparing.c \
	test/sim/world.c test/sim/world.h
test_sim_sim_LDADD = $(GATE)
test_sim_sim_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=datagram_sent
test_sim_test_net_SOURCES = $(SIM_MODEL) test/sim/test_net.c
test_sim_test_net_LDADD = $(BASE)
