/* command.h - command.def as tables: the subcommands, their flags, and how they end. Constant. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H
#include <stdbool.h>
#include <stddef.h>

enum command_id {
#define COMMAND(id, name, settings, help) COMMAND_##id,
#include "cli/command.def"
	COMMAND_COUNT,
	COMMAND_ANY = COMMAND_COUNT /* of a flag: every one that takes settings has it */
};

enum command_flag_id {
#define FLAG(command, id, name, value, completion, help) FLAG_##command##_##id,
#include "cli/command.def"
	COMMAND_FLAG_COUNT
};

enum {
#define USAGE(command, arguments, help) +1
	COMMAND_USAGE_COUNT = 0
#include "cli/command.def"
};

enum {
#define EXAMPLE(command, text) +1
	COMMAND_EXAMPLE_COUNT = 0
#include "cli/command.def"
};

enum {
#define EXIT(id, code, help) +1
	COMMAND_EXIT_COUNT = 0
#include "cli/command.def"
};

enum command_completion { COMPLETE_NOTHING, COMPLETE_FILES, COMPLETE_WORDS };

struct command {
	const char *name, *help;
	bool takes_settings;
};

struct command_usage {
	enum command_id command;
	const char *arguments, *help;
};

struct command_flag {
	enum command_id command;
	enum command_completion completion;
	const char *name;
	const char *value; /* what stands for its value; NULL: it takes none */
	const char *help;
};

struct command_example {
	enum command_id command;
	const char *text;
};

struct command_exit {
	const char *code, *help;
};

extern const struct command command_table[COMMAND_COUNT];
extern const struct command_usage command_usages[COMMAND_USAGE_COUNT];
extern const struct command_flag command_flags[COMMAND_FLAG_COUNT];
extern const struct command_example command_examples[COMMAND_EXAMPLE_COUNT];
extern const struct command_exit command_exits[COMMAND_EXIT_COUNT];

enum command_id command_find(const char *name); /* COMMAND_COUNT: there is none */
bool command_has(enum command_id command, const struct command_flag *flag);
/* COMMAND_FLAG_COUNT: the command has none of this name. */
enum command_flag_id command_find_flag(enum command_id command, const char *name, size_t len);
#endif
