# SPDX-License-Identifier: MIT
noinst_LIBRARIES += librelay.a
librelay_a_SOURCES = \
	include/splitsocks/relay/outbound.h \
	include/splitsocks/relay/relay.h \
	src/relay/flow_ports.c \
	src/relay/flow_ports.h \
	src/relay/flow_targets.c \
	src/relay/flow_targets.h \
	src/relay/outbound.c \
	src/relay/outbound_flow.c \
	src/relay/outbound_flow.h \
	src/relay/own_addresses.c \
	src/relay/own_addresses.h \
	src/relay/relay.c \
	src/relay/relay_arrival.c \
	src/relay/relay_bounds.c \
	src/relay/relay_clients.c \
	src/relay/relay_follow.c \
	src/relay/relay_internal.h \
	src/relay/relay_mailbox.c \
	src/relay/relay_mailbox.h \
	src/relay/relay_meters.c \
	src/relay/relay_part.c \
	src/relay/relay_part.h \
	src/relay/relay_quota.c \
	src/relay/relay_session.c \
	src/relay/relay_status.c \
	src/relay/relay_terms.c \
	src/relay/relay_worker.c \
	src/relay/stamp_file.c \
	src/relay/stamp_file.h
