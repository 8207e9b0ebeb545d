bin_PROGRAMS += splitsocks
splitsocks_SOURCES = \
	src/app/cmd_check.c \
	src/app/cmd_keygen.c \
	src/app/commands.h \
	src/app/main.c \
	src/app/read_file.c src/app/read_file.h
splitsocks_LDADD = $(IO)
