bin_PROGRAMS += splitsocks
splitsocks_SOURCES = \
	src/app/bridge.c src/app/bridge.h \
	src/app/cmd_check.c \
	src/app/cmd_connect.c \
	src/app/cmd_keygen.c \
	src/app/cmd_local.c \
	src/app/cmd_relay.c \
	src/app/commands.h \
	src/app/daemon.c src/app/daemon.h \
	src/app/load_config.c src/app/load_config.h \
	src/app/main.c \
	src/app/read_file.c src/app/read_file.h
splitsocks_LDADD = $(IO)
