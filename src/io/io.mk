noinst_LIBRARIES += libio.a
libio_a_SOURCES = \
	include/splitsocks/clock.h src/io/clock.c \
	include/splitsocks/resolver.h src/io/resolver.c \
	include/splitsocks/socket.h src/io/socket.c src/io/socket_info.c
