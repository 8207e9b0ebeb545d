# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-stream.a
libengine_stream_a_SOURCES = \
	include/splitsocks/engine/stream/stream.h \
	include/splitsocks/engine/stream/stream_state.h \
	src/engine/stream/copies.c \
	src/engine/stream/stream.c \
	src/engine/stream/stream_credit.c \
	src/engine/stream/stream_end.c \
	src/engine/stream/stream_receive.c \
	src/engine/stream/stream_send.c \
	src/engine/stream/stream_shed.c \
	src/engine/stream/stream_state.c
