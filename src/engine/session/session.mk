# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-session.a
libengine_session_a_SOURCES = \
	include/splitsocks/engine/session/session.h \
	include/splitsocks/engine/session/session_accept.h \
	include/splitsocks/engine/session/session_flow.h \
	include/splitsocks/engine/session/session_limit.h \
	include/splitsocks/engine/session/session_status.h \
	src/engine/session/compose_acks.c \
	src/engine/session/compose_controls.c \
	src/engine/session/compose_data.c \
	src/engine/session/compose_flows.c \
	src/engine/session/composer.c \
	src/engine/session/composer.h \
	src/engine/session/path_status.c \
	src/engine/session/session.c \
	src/engine/session/session_accept.c \
	src/engine/session/session_association.c \
	src/engine/session/session_flows.c \
	src/engine/session/session_handshake.c \
	src/engine/session/session_limit.c \
	src/engine/session/session_parts.h \
	src/engine/session/session_paths.c \
	src/engine/session/session_produce.c \
	src/engine/session/session_receive.c \
	src/engine/session/session_status.c \
	src/engine/session/session_streams.c \
	src/engine/session/session_subflows.c \
	src/engine/session/session_timers.c \
	src/engine/session/take_flows.c \
	src/engine/session/take_frames.c
