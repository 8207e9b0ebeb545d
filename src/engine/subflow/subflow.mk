noinst_LIBRARIES += libengine-subflow.a
libengine_subflow_a_SOURCES = \
	src/engine/subflow/generations.c \
	src/engine/subflow/keepalive.c \
	src/engine/subflow/path_packets.c \
	src/engine/subflow/session_ack.c \
	src/engine/subflow/session_subflow.c \
	src/engine/subflow/subflows.c
