# SPDX-License-Identifier: MIT
noinst_LIBRARIES += liblocal.a
liblocal_a_SOURCES = \
	include/splitsocks/local/decision.h \
	include/splitsocks/local/direct.h \
	include/splitsocks/local/endpoint.h \
	include/splitsocks/local/inbound.h \
	include/splitsocks/local/interface_table.h \
	include/splitsocks/local/limit_memory.h \
	include/splitsocks/local/local.h \
	include/splitsocks/local/local_path.h \
	include/splitsocks/local/packet_memory.h \
	include/splitsocks/local/path_advice.h \
	include/splitsocks/local/path_dialer.h \
	include/splitsocks/local/path_quota.h \
	include/splitsocks/local/path_table.h \
	include/splitsocks/local/path_watch.h \
	include/splitsocks/local/socks_connection.h \
	include/splitsocks/local/stamp_keeper.h \
	include/splitsocks/local/stream_failure.h \
	src/local/decision.c \
	src/local/direct.c \
	src/local/endpoint.c \
	src/local/inbound.c \
	src/local/interface_table.c \
	src/local/limit_memory.c \
	src/local/local.c \
	src/local/local_internal.h \
	src/local/local_listen.c \
	src/local/local_listeners.c \
	src/local/local_loops.c \
	src/local/local_mode.c \
	src/local/local_mode.h \
	src/local/local_path.c \
	src/local/local_rules.c \
	src/local/local_rules.h \
	src/local/packet_memory.c \
	src/local/path_advice.c \
	src/local/path_dialer.c \
	src/local/path_quota.c \
	src/local/path_table.c \
	src/local/path_watch.c \
	src/local/socks_connection.c \
	src/local/stamp_keeper.c \
	src/local/stream_failure.c
