# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-subflow.a
libengine_subflow_a_SOURCES = \
	include/splitsocks/engine/subflow/subflow.h \
	src/engine/subflow/ack.c \
	src/engine/subflow/generations.c \
	src/engine/subflow/keepalive.c \
	src/engine/subflow/lessons.c \
	src/engine/subflow/lessons_judge.c \
	src/engine/subflow/packets.c \
	src/engine/subflow/subflow.c \
	src/engine/subflow/subflow_end.c \
	src/engine/subflow/subflow_measure.c \
	src/engine/subflow/subflows.c \
	src/engine/subflow/subflows_end.c
