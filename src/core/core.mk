noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	include/splitsocks/pages.h src/core/pages.c \
	include/splitsocks/ranges.h src/core/ranges.c
