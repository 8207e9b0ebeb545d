noinst_LIBRARIES += libconfig-layer.a
libconfig_layer_a_SOURCES = \
	include/splitsocks/config.h \
	include/splitsocks/config_local.h \
	include/splitsocks/config_relay.h \
	include/splitsocks/units.h
