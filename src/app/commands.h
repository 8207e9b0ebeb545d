/*
 * The subcommands of the program. Each gets the arguments from its own name on
 * (argv[0] is "check" and so on) and returns the exit status: 0 done, 1 failed,
 * 2 usage or configuration.
 */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

/* check {local|relay} FILE */
int cmd_check(int argc, char **argv);
/* keygen [-y] FILE */
int cmd_keygen(int argc, char **argv);

#endif
