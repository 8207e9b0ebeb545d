# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-pool.a
libengine_pool_a_SOURCES = \
	include/splitsocks/engine/pool/pool.h \
	src/engine/pool/pool.c \
	src/engine/pool/pool_internal.h \
	src/engine/pool/pool_canary.c \
	src/engine/pool/pool_flows.c \
	src/engine/pool/pool_limits.c \
	src/engine/pool/pool_plan.c \
	src/engine/pool/pool_proof.c \
	src/engine/pool/pool_size.c
