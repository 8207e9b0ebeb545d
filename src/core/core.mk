noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	include/splitsocks/ranges.h src/core/ranges.c
