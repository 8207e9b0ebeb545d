# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	include/splitsocks/base/account.h \
	include/splitsocks/base/address.h \
	include/splitsocks/base/attributes.h \
	include/splitsocks/base/base64.h \
	include/splitsocks/base/datagram_queue.h \
	include/splitsocks/base/error.h \
	include/splitsocks/base/host.h \
	include/splitsocks/base/list.h \
	include/splitsocks/base/log.h \
	include/splitsocks/base/meter.h \
	include/splitsocks/base/named_ids.h \
	include/splitsocks/base/number_window.h \
	include/splitsocks/base/outage_news.h \
	include/splitsocks/base/pages.h \
	include/splitsocks/base/policy.h \
	include/splitsocks/base/printable.h \
	include/splitsocks/base/ranges.h \
	include/splitsocks/base/rate_limit.h \
	include/splitsocks/base/ring.h \
	include/splitsocks/base/share.h \
	include/splitsocks/base/target.h \
	include/splitsocks/base/text_hash.h \
	include/splitsocks/base/turns.h \
	include/splitsocks/base/wire.h \
	src/base/account.c \
	src/base/address.c \
	src/base/base64.c \
	src/base/datagram_queue.c \
	src/base/error.c \
	src/base/host.c \
	src/base/log.c \
	src/base/meter.c \
	src/base/named_ids.c \
	src/base/number_window.c \
	src/base/outage_news.c \
	src/base/pages.c \
	src/base/policy.c \
	src/base/printable.c \
	src/base/ranges.c \
	src/base/rate_limit.c \
	src/base/ring.c \
	src/base/share.c \
	src/base/target.c \
	src/base/turns.c \
	src/base/wire.c
