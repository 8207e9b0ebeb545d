bin_PROGRAMS += splitsocks
splitsocks_SOURCES = \
	src/app/commands.h \
	src/app/main.c \
	src/app/read_file.h
splitsocks_LDADD = $(IO)
