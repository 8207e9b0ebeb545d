# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libnames.a
libnames_a_SOURCES = \
	include/splitsocks/names/address_order.h \
	include/splitsocks/names/dns_answer.h \
	include/splitsocks/names/hosts_table.h \
	include/splitsocks/names/name_cache.h \
	include/splitsocks/names/nat64.h \
	include/splitsocks/names/resolv_conf.h \
	include/splitsocks/names/server_choice.h \
	src/names/address_order.c \
	src/names/dns_answer.c \
	src/names/hosts_table.c \
	src/names/name_cache.c \
	src/names/nat64.c \
	src/names/resolv_conf.c \
	src/names/server_choice.c
