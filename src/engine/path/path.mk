# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-path.a
libengine_path_a_SOURCES = \
	include/splitsocks/engine/path/dial_limit.h \
	include/splitsocks/engine/path/governor.h \
	include/splitsocks/engine/path/packet_size.h \
	include/splitsocks/engine/path/path.h \
	include/splitsocks/engine/path/path_limits.h \
	include/splitsocks/engine/path/port_chooser.h \
	include/splitsocks/engine/path/profile.h \
	include/splitsocks/engine/path/slots.h \
	src/engine/path/dial_limit.c \
	src/engine/path/governor.c \
	src/engine/path/packet_size.c \
	src/engine/path/path.c \
	src/engine/path/path_doubt.c \
	src/engine/path/path_limits.c \
	src/engine/path/path_limits_news.c \
	src/engine/path/port_chooser.c \
	src/engine/path/profile.c \
	src/engine/path/profile_budget.c \
	src/engine/path/profile_evidence.c \
	src/engine/path/profile_scouts.c \
	src/engine/path/profile_vain.c \
	src/engine/path/profile_tables.h \
	src/engine/path/profile_words.c \
	src/engine/path/slots.c
