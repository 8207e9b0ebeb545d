noinst_LIBRARIES += libconfig-layer.a
libconfig_layer_a_SOURCES =
