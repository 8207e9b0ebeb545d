# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libwire.a
libwire_a_SOURCES = \
	include/splitsocks/wire/frame.h \
	include/splitsocks/wire/handshake.h \
	src/wire/frame.c \
	src/wire/handshake.c \
	src/wire/handshake_keys.c \
	src/wire/handshake_payload.c
