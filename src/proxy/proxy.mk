# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES = \
	include/splitsocks/proxy/destination.h \
	include/splitsocks/proxy/destination_cache.h \
	include/splitsocks/proxy/eyeballs.h \
	include/splitsocks/proxy/family_memory.h \
	include/splitsocks/proxy/mapping.h \
	include/splitsocks/proxy/rules.h \
	include/splitsocks/proxy/socks5.h \
	include/splitsocks/proxy/socks5_client.h \
	include/splitsocks/proxy/socks5_udp.h \
	src/proxy/destination.c \
	src/proxy/destination_cache.c \
	src/proxy/eyeballs.c \
	src/proxy/family_memory.c \
	src/proxy/mapping.c \
	src/proxy/rules.c \
	src/proxy/socks5.c \
	src/proxy/socks5_address.c \
	src/proxy/socks5_address.h \
	src/proxy/socks5_client.c \
	src/proxy/socks5_udp.c
