noinst_LIBRARIES += libcrypto-layer.a
libcrypto_layer_a_SOURCES = \
	src/crypto/algorithms.h src/crypto/algorithms.c \
	include/splitsocks/hash.h src/crypto/hash.c \
	include/splitsocks/kdf.h src/crypto/kdf.c \
	include/splitsocks/key.h src/crypto/key.c src/crypto/key_text.c \
	include/splitsocks/noise.h src/crypto/noise.c \
	include/splitsocks/seal.h src/crypto/seal.c
