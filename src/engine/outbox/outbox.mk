# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-outbox.a
libengine_outbox_a_SOURCES = \
	include/splitsocks/engine/outbox/context.h \
	include/splitsocks/engine/outbox/flow_types.h \
	include/splitsocks/engine/outbox/session_limit.h \
	include/splitsocks/engine/outbox/types.h \
	src/engine/outbox/outbox.c
