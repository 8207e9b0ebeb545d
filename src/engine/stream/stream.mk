# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-stream.a
libengine_stream_a_SOURCES = \
	include/splitsocks/engine/stream/stream.h \
	src/engine/stream/copies.c \
	src/engine/stream/stream.c \
	src/engine/stream/stream_receive.c \
	src/engine/stream/stream_send.c \
	src/engine/stream/stream_shed.c
