# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libgate.a
libgate_a_SOURCES = \
	include/splitsocks/gate/admission.h \
	include/splitsocks/gate/client_table.h \
	include/splitsocks/gate/door.h \
	include/splitsocks/gate/failure_limit.h \
	include/splitsocks/gate/hello_cache.h \
	include/splitsocks/gate/stamp_memory.h \
	src/gate/accounts.c \
	src/gate/accounts.h \
	src/gate/admission.c \
	src/gate/client_table.c \
	src/gate/door.c \
	src/gate/failure_limit.c \
	src/gate/hello_cache.c \
	src/gate/session_ids.c \
	src/gate/session_ids.h \
	src/gate/stamp_memory.c
