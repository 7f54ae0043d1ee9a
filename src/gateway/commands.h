/* commands.h - the commands around the configuration and its keys. Each is a main function of its
 * own: argv[0] is the command's name, the result is the exit code. */
#ifndef UB_GATEWAY_COMMANDS_H
#define UB_GATEWAY_COMMANDS_H

int ub_cmd_check(int argc, char **argv);
int ub_cmd_init(int argc, char **argv);
int ub_cmd_key(int argc, char **argv);
int ub_cmd_config_doc(int argc, char **argv); /* hidden: prints docs/CONFIG.md */

#endif
