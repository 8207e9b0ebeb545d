# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-flow.a
libengine_flow_a_SOURCES = \
	include/splitsocks/engine/flow/flow.h \
	src/engine/flow/flow.c \
	src/engine/flow/flow_parts.c \
	src/engine/flow/flow_peer.c \
	src/engine/flow/flow_receive.c \
	src/engine/flow/flow_send.c \
	src/engine/flow/flow_use.c \
	src/engine/flow/received.c
