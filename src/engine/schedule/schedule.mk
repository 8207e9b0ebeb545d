# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libengine-schedule.a
libengine_schedule_a_SOURCES = \
	include/splitsocks/engine/schedule/schedule.h \
	src/engine/schedule/carriers.c \
	src/engine/schedule/reinjection.c \
	src/engine/schedule/restraint.c \
	src/engine/schedule/scheduler.c \
	src/engine/schedule/scheduler_flows.c \
	src/engine/schedule/scheduler_paths.c \
	src/engine/schedule/scheduler_redundant.c \
	src/engine/schedule/scheduler_split.c \
	src/engine/schedule/sparing.c
