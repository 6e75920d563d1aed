/* command.c - command.def as tables: the subcommands, their flags, and how they end. */
#include "cli/command.h"

#include <signal.h>
#include <string.h>

#include "common/exit_code.h"

const struct command command_table[COMMAND_COUNT] = {
#define COMMAND(id, name, settings, help) {name, help, settings},
#include "cli/command.def"
};

const struct command_usage command_usages[COMMAND_USAGE_COUNT] = {
#define USAGE(command, arguments, help) {COMMAND_##command, arguments, help},
#include "cli/command.def"
};

const struct command_flag command_flags[COMMAND_FLAG_COUNT] = {
#define FLAG(command, id, name, value, completion, help) \
	{COMMAND_##command, COMPLETE_##completion, name, value, help},
#include "cli/command.def"
};

const struct command_example command_examples[COMMAND_EXAMPLE_COUNT] = {
#define EXAMPLE(command, text) {COMMAND_##command, text},
#include "cli/command.def"
};

const struct command_exit command_exits[COMMAND_EXIT_COUNT] = {
#define EXIT(id, code, help) {#code, help},
#include "cli/command.def"
};

#define EXIT(id, code, help) _Static_assert((id) == (code), "command.def tells the code there is");
#include "cli/command.def"

enum command_id command_find(const char *name)
{
	enum command_id id = 0;

	while (id < COMMAND_COUNT && strcmp(command_table[id].name, name) != 0)
		id++;
	return id;
}

bool command_has(enum command_id command, const struct command_flag *flag)
{
	return flag->command == command ||
	       (flag->command == COMMAND_ANY && command_table[command].takes_settings);
}

enum command_flag_id command_find_flag(enum command_id command, const char *name, size_t len)
{
	enum command_flag_id id = 0;

	while (id < COMMAND_FLAG_COUNT && !(command_has(command, &command_flags[id]) &&
						  strlen(command_flags[id].name) == len &&
						  memcmp(command_flags[id].name, name, len) == 0))
		id++;
	return id;
}
