# SPDX-License-Identifier: MIT
# The real program with real clients and links. The scripts print TAP; see harness.py.
E2E_TOOLS = \
	test/e2e/lacking \
	test/e2e/linkemu \
	test/e2e/origin \
	test/e2e/socksload \
	test/e2e/wireproxy
check_PROGRAMS += $(E2E_TOOLS)
E2E_COMMON = \
	test/e2e/control.c test/e2e/control.h \
	test/e2e/tool.c test/e2e/tool.h
E2E_LOAD = \
	test/e2e/load.c test/e2e/load.h \
	test/e2e/pattern.c test/e2e/pattern.h
test_e2e_lacking_SOURCES = test/e2e/lacking.c
test_e2e_linkemu_SOURCES = test/e2e/linkemu.c $(E2E_COMMON) \
	test/e2e/link.c test/e2e/link.h \
	test/e2e/tcpbox.c test/e2e/tcpbox.h test/e2e/tcpbox_words.c \
	test/e2e/tcptable.c test/e2e/tcptable.h \
	test/e2e/tcpwatch.c test/e2e/tcpwatch.h
test_e2e_origin_SOURCES = test/e2e/origin.c $(E2E_COMMON) $(E2E_LOAD)
test_e2e_socksload_SOURCES = test/e2e/socksload.c $(E2E_COMMON) $(E2E_LOAD) \
	test/e2e/socksload_options.c test/e2e/socksload_options.h
test_e2e_wireproxy_SOURCES = test/e2e/wireproxy.c $(E2E_COMMON) \
	test/e2e/wirepair.c test/e2e/wirepair.h

# To be preloaded, so without the sanitizers that the program may be built with.
check_DATA = test/e2e/wrongclock.so
CLEANFILES += test/e2e/wrongclock.so
EXTRA_DIST += test/e2e/wrongclock.c
test/e2e/wrongclock.so: test/e2e/wrongclock.c
	$(AM_V_CC)$(MKDIR_P) test/e2e && \
		$(CC) -O1 -Wall -shared -fPIC -o $@ $(srcdir)/test/e2e/wrongclock.c

E2E_TESTS = \
	test/e2e/test_address.py \
	test/e2e/test_budget.py \
	test/e2e/test_chaos.py \
	test/e2e/test_check.py \
	test/e2e/test_chromium.py \
	test/e2e/test_client_bounds.py \
	test/e2e/test_client_terms.py \
	test/e2e/test_clock.py \
	test/e2e/test_commands.sh \
	test/e2e/test_costs.py \
	test/e2e/test_curl.py \
	test/e2e/test_descriptors.py \
	test/e2e/test_destinations.py \
	test/e2e/test_dns.py \
	test/e2e/test_evil.py \
	test/e2e/test_failover.py \
	test/e2e/test_failures.py \
	test/e2e/test_families.py \
	test/e2e/test_hangups.py \
	test/e2e/test_hostile.py \
	test/e2e/test_idle.py \
	test/e2e/test_kernels.py \
	test/e2e/test_limits.py \
	test/e2e/test_listen.py \
	test/e2e/test_log_reader.py \
	test/e2e/test_loops.py \
	test/e2e/test_path_advice.py \
	test/e2e/test_nat64.py \
	test/e2e/test_path_changes.py \
	test/e2e/test_log_of_paths.py \
	test/e2e/test_mtu.py \
	test/e2e/test_names.py \
	test/e2e/test_paths.py \
	test/e2e/test_spared_paths.py \
	test/e2e/test_places.py \
	test/e2e/test_private.py \
	test/e2e/test_rdp.py \
	test/e2e/test_readme.py \
	test/e2e/test_rules.py \
	test/e2e/test_sandbox.py \
	test/e2e/test_sessions.py \
	test/e2e/test_signals.py \
	test/e2e/test_slow_reader.py \
	test/e2e/test_soak.py \
	test/e2e/test_socks.py \
	test/e2e/test_ssh.py \
	test/e2e/test_states.py \
	test/e2e/test_status.py \
	test/e2e/test_status_relay.py \
	test/e2e/test_tight.py \
	test/e2e/test_tools.py \
	test/e2e/test_tunnels.py \
	test/e2e/test_udp.py \
	test/e2e/test_udp_programs.py \
	test/e2e/test_udp_relay.py \
	test/e2e/test_workers.py
EXTRA_DIST += $(E2E_TESTS) \
	test/e2e/basics.py \
	test/e2e/context.py \
	test/e2e/datagrams.py \
	test/e2e/evil.py \
	test/e2e/fakedns.py \
	test/e2e/foes.py \
	test/e2e/harness.py \
	test/e2e/lab.py \
	test/e2e/namespaces.py \
	test/e2e/pairs.py \
	test/e2e/processes.py \
	test/e2e/sockets.py \
	test/e2e/statuses.py \
	test/e2e/tap.py \
	test/e2e/tunnels.py \
	test/e2e/web.py \
	test/e2e/x11.py
TESTS += $(E2E_TESTS)
