/* hint.h - what somebody meant on the command line, or lacks there. Pure; any thread. */
#ifndef CLI_HINT_H
#define CLI_HINT_H
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"
#include "common/config_fault.h"

/* "; did you mean --x?" of a flag that the command does not have, or "". Returns `ret`. */
const char *hint_flag(enum command_id command, const char *name, char ret[CONFIG_QUOTE_SIZE]);
/* The same of a command; what looks like a configuration file is told as one. */
const char *hint_command(const char *name, char ret[CONFIG_QUOTE_SIZE]);
/* "; --targets-allow=HOST:PORT opens it, …": behind the message of a target that was refused. */
void hint_blocked(const char *host, uint16_t port, char *ret_hint, size_t size);
#endif
