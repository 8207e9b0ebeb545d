noinst_LIBRARIES += libcrypto-layer.a
libcrypto_layer_a_SOURCES =
