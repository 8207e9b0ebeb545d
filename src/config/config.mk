# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libconfig-layer.a
libconfig_layer_a_SOURCES = \
	include/splitsocks/config/config.h \
	include/splitsocks/config/config_local.h \
	include/splitsocks/config/config_relay.h \
	include/splitsocks/config/stamps.h \
	include/splitsocks/config/state.h \
	include/splitsocks/config/units.h \
	include/splitsocks/config/usage.h \
	include/splitsocks/config/usage_text.h \
	src/config/config_local.c \
	src/config/config_relay.c \
	src/config/local_budget.c \
	src/config/local_listen.c \
	src/config/local_options.c \
	src/config/local_parts.h \
	src/config/local_paths.c \
	src/config/local_rules.c \
	src/config/local_udp.c \
	src/config/memory.c \
	src/config/memory.h \
	src/config/nearest.c \
	src/config/nearest.h \
	src/config/place.c \
	src/config/place.h \
	src/config/relay_options.c \
	src/config/report.c \
	src/config/schema.c \
	src/config/schema.h \
	src/config/side.c \
	src/config/side.h \
	src/config/stamps.c \
	src/config/state.c \
	src/config/text.c \
	src/config/text.h \
	src/config/timeouts.c \
	src/config/units.c \
	src/config/usage.c \
	src/config/usage_text.c \
	src/config/values.c \
	src/config/values.h \
	src/config/values_moment.c \
	src/config/values_network.c
