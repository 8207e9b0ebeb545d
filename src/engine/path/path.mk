# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-path.a
libengine_path_a_SOURCES = \
	include/splitsocks/engine/path/governor.h \
	include/splitsocks/engine/path/packet_size.h \
	include/splitsocks/engine/path/path.h \
	include/splitsocks/engine/path/port_chooser.h \
	src/engine/path/governor.c \
	src/engine/path/packet_size.c \
	src/engine/path/path.c \
	src/engine/path/path_doubt.c \
	src/engine/path/port_chooser.c
