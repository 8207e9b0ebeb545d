noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	include/splitsocks/address.h src/base/address.c \
	include/splitsocks/attributes.h \
	include/splitsocks/base64.h src/base/base64.c \
	include/splitsocks/error.h src/base/error.c \
	include/splitsocks/host.h src/base/host.c \
	include/splitsocks/list.h \
	include/splitsocks/log.h src/base/log.c \
	include/splitsocks/ring.h src/base/ring.c \
	include/splitsocks/text_hash.h \
	include/splitsocks/wire.h src/base/wire.c
