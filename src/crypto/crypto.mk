# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libcrypto-layer.a
libcrypto_layer_a_SOURCES = \
	include/splitsocks/crypto/hash.h \
	include/splitsocks/crypto/kdf.h \
	include/splitsocks/crypto/key.h \
	include/splitsocks/crypto/noise.h \
	include/splitsocks/crypto/seal.h \
	src/crypto/algorithms.c \
	src/crypto/algorithms.h \
	src/crypto/hash.c \
	src/crypto/kdf.c \
	src/crypto/key.c \
	src/crypto/key_text.c \
	src/crypto/noise.c \
	src/crypto/seal.c
