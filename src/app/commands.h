/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of the program. Each gets the arguments from its own name on
 * (argv[0] is "check" and so on) and returns the exit status: EXIT_SUCCESS (done),
 * EXIT_FAILURE (failed) or EXIT_USAGE.
 */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

/* The command line or a configuration is wrong; nothing was started. */
#define EXIT_USAGE 2

/* check {local|relay} FILE */
int cmd_check(int argc, char **argv);
/* connect [-c FILE] [-v] HOST PORT */
int cmd_connect(int argc, char **argv);
/* keygen [-y] FILE */
int cmd_keygen(int argc, char **argv);
/* local -c FILE [-v] */
int cmd_local(int argc, char **argv);
/* relay -c FILE [-v] */
int cmd_relay(int argc, char **argv);
/* status [-c FILE] [--json | --explain] [--watch[=SECONDS]] */
int cmd_status(int argc, char **argv);

#endif
