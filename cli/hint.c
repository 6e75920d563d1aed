/* hint.c - what somebody meant on the command line, or lacks there. */
#include "cli/hint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The command's own names first, then those of the settings. */
static bool flag_at(const void *command, size_t i, char ret[CONFIG_NAME_SIZE])
{
	const enum command_id id = *(const enum command_id *)command;

	if (i >= COMMAND_FLAG_COUNT)
		return command_table[id].takes_settings &&
		       config_table_flag_names(NULL, i - COMMAND_FLAG_COUNT, ret);
	ret[0] = '\0';
	if (command_has(id, &command_flags[i]))
		snprintf(ret, CONFIG_NAME_SIZE, "%s", command_flags[i].name);
	return true;
}

static bool command_at(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE])
{
	static const char *const others[] = {"help", "--version"};

	(void)unused;
	if (i >= COMMAND_COUNT + sizeof others / sizeof *others)
		return false;
	snprintf(ret, CONFIG_NAME_SIZE, "%s",
		i < COMMAND_COUNT ? command_table[i].name : others[i - COMMAND_COUNT]);
	return true;
}

const char *hint_flag(enum command_id command, const char *name, char ret[CONFIG_QUOTE_SIZE])
{
	if (command_table[command].takes_settings)
		return config_fault_hint_flag(name, flag_at, &command, ret);
	return config_fault_hint(name, flag_at, &command, ret);
}

const char *hint_command(const char *name, char ret[CONFIG_QUOTE_SIZE])
{
	if (config_fault_hint_file(name, ret)[0])
		return ret;
	return config_fault_hint(name, command_at, NULL, ret);
}

void hint_blocked(const char *host, uint16_t port, char *ret_hint, size_t size)
{
	bool v6 = strchr(host, ':') != NULL;

	snprintf(ret_hint, size,
		"; --targets-allow=%s%s%s:%u opens it, --targets-allow-private=true every private "
		"address",
		v6 ? "[" : "", host, v6 ? "]" : "", port);
}
