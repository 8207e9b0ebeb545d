# The network model has tests of its own, since every verdict of the simulator rests on it.
SIM_MODEL = \
	test/sim/clock.c test/sim/clock.h \
	test/sim/net.c test/sim/net.h
check_PROGRAMS += test/sim/test_net
TESTS += test/sim/test_net
test_sim_test_net_SOURCES = $(SIM_MODEL) test/sim/tap.h test/sim/test_net.c
test_sim_test_net_LDADD = $(BASE)
