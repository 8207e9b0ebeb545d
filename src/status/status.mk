# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libstatus.a
libstatus_a_SOURCES = \
	include/splitsocks/status/control.h \
	include/splitsocks/status/limit_text.h \
	include/splitsocks/status/status.h \
	include/splitsocks/status/status_relay.h \
	include/splitsocks/status/status_text.h \
	src/status/control.c \
	src/status/control_socket.c \
	src/status/control_socket.h \
	src/status/limit_text.c \
	src/status/status.c \
	src/status/status_connections.c \
	src/status/status_flows.c \
	src/status/status_internal.h \
	src/status/status_paths.c \
	src/status/status_ports.c \
	src/status/status_relay.c \
	src/status/status_streams.c \
	src/status/status_text.c \
	src/status/status_values.c
