# SPDX-License-Identifier: MIT
bin_PROGRAMS += splitsocks
splitsocks_SOURCES = \
	include/splitsocks/app/notify.h \
	src/app/bridge.c \
	src/app/bridge.h \
	src/app/check_listen.c \
	src/app/check_paths.c \
	src/app/check_paths.h \
	src/app/check_service.c \
	src/app/check_start.c \
	src/app/check_start.h \
	src/app/cmd_check.c \
	src/app/cmd_connect.c \
	src/app/cmd_keygen.c \
	src/app/cmd_local.c \
	src/app/cmd_relay.c \
	src/app/cmd_status.c \
	src/app/commands.h \
	src/app/control_places.c \
	src/app/control_places.h \
	src/app/daemon.c \
	src/app/daemon.h \
	src/app/daemon_control.c \
	src/app/daemon_control.h \
	src/app/folders.c \
	src/app/folders.h \
	src/app/load_config.c \
	src/app/load_config.h \
	src/app/log_output.c \
	src/app/log_output.h \
	src/app/main.c \
	src/app/notify.c \
	src/app/outlet.c \
	src/app/outlet.h \
	src/app/read_file.c \
	src/app/read_file.h \
	src/app/read_key.c \
	src/app/sandbox.h \
	src/app/sandbox_calls.c \
	src/app/sandbox_files.c \
	src/app/sandbox_wanted.h \
	src/app/state_file.c \
	src/app/state_file.h \
	src/app/status_cells.c \
	src/app/status_cells.h \
	src/app/status_client.c \
	src/app/status_client.h \
	src/app/status_explain.c \
	src/app/status_relay.c \
	src/app/status_table.c \
	src/app/status_view.h \
	src/app/table.c \
	src/app/table.h
splitsocks_LDADD = $(PROGRAM) $(SECCOMP_LIBS)
