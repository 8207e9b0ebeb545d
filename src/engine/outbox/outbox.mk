noinst_LIBRARIES += libengine-outbox.a
libengine_outbox_a_SOURCES = \
	src/engine/outbox/outbox.c
