noinst_LIBRARIES += libconfig-layer.a
libconfig_layer_a_SOURCES = \
	include/splitsocks/config.h \
	include/splitsocks/config_local.h src/config/config_local.c \
	include/splitsocks/config_relay.h src/config/config_relay.c \
	include/splitsocks/stamps.h src/config/stamps.c \
	include/splitsocks/state.h src/config/state.c \
	include/splitsocks/units.h src/config/units.c \
	include/splitsocks/usage.h src/config/usage.c \
	include/splitsocks/usage_text.h src/config/usage_text.c \
	src/config/local_listen.c src/config/local_parts.h \
	src/config/local_paths.c \
	src/config/local_rules.c \
	src/config/memory.c src/config/memory.h \
	src/config/nearest.c src/config/nearest.h \
	src/config/place.c src/config/place.h \
	src/config/report.c \
	src/config/schema.c src/config/schema.h \
	src/config/side.c src/config/side.h \
	src/config/text.c src/config/text.h \
	src/config/timeouts.c \
	src/config/values.c src/config/values.h \
	src/config/values_network.c
