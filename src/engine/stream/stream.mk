noinst_LIBRARIES += libengine-stream.a
libengine_stream_a_SOURCES = \
	src/engine/stream/copies.c \
	src/engine/stream/session_stream.c \
	src/engine/stream/stream_receive.c \
	src/engine/stream/stream_send.c \
	src/engine/stream/stream_shed.c
