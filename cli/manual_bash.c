/* manual_bash.c - the completion for bash: subcommands, flags, words of choices, files. */
#include <string.h>

#include "cli/help.h"
#include "cli/manual.h"
#include "common/config_print.h"

/* Bash splits `--flag=word` at the sign, so that a value is a word of its own either way. */
static const char head[] =
	"# bash completion for batchgate\n"
	"_batchgate()\n"
	"{\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal command=serve flag=\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]]; then\n"
	"\t\tcommand=${COMP_WORDS[1]}\n"
	"\tfi\n"
	"\tif [[ $current == = ]]; then\n"
	"\t\tflag=$before current=\n"
	"\telif [[ $before == = ]]; then\n"
	"\t\tflag=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\telif [[ $before == --* && $current != -* ]]; then\n"
	"\t\tflag=$before\n"
	"\tfi\n"
	"\tcase $command:$flag in\n";

static const char between[] = "\tesac\n"
			      "\tif [[ $COMP_CWORD -eq 1 && $current != -* ]]; then\n"
			      "\t\t_batchgate_words \"$current\"";

static const char files[] = "}\n"
			    "\n"
			    "_batchgate_words()\n"
			    "{\n"
			    "\tlocal current=$1\n"
			    "\tshift\n"
			    "\tmapfile -t COMPREPLY < <(compgen -W \"$*\" -- \"$current\")\n"
			    "}\n"
			    "\n"
			    "_batchgate_files()\n"
			    "{\n"
			    "\tcompopt -o filenames 2>/dev/null\n"
			    "\tmapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
			    "}\n"
			    "\n"
			    "complete -F _batchgate batchgate\n";

static void add_words(const char *words, struct buf *out)
{
	buf_adds(out, "_batchgate_words \"$current\" ");
	for (; *words; words++)
		buf_add_char(out, *words == '|' ? ' ' : *words);
	buf_adds(out, "; return ;;\n");
}

static void add_values_of_flags(struct buf *out)
{
	for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++) {
		const struct command_flag *flag = &command_flags[i];

		if (!flag->value)
			continue;
		buf_addf(out, "\t%s:%s) ",
			flag->command == COMMAND_ANY ? "*" : command_table[flag->command].name,
			flag->name);
		if (flag->completion == COMPLETE_WORDS)
			add_words(flag->value, out);
		else if (flag->completion == COMPLETE_FILES)
			buf_adds(out, "_batchgate_files \"$current\"; return ;;\n");
		else
			buf_adds(out, "return ;;\n");
	}
}

static bool has_words(const struct setting *setting)
{
	return setting->type >= SETTING_BOOL && setting->type < SETTING_TEXT;
}

/* A flag that is true alone needs no value: what follows may be anything. */
static void add_values_of_settings(struct buf *out)
{
	char name[CONFIG_NAME_SIZE];

	for (size_t i = 0; config_table_flag_names(NULL, i, name); i++) {
		if (!*name)
			continue;
		buf_addf(out, "\t*:%s) ", name);
		if (has_words(&setting_table[i]))
			add_words(config_print_type(setting_table[i].type), out);
		else
			buf_adds(out, "return ;;\n");
	}
}

static void add_flags(enum command_id command, struct buf *out)
{
	char name[CONFIG_NAME_SIZE];

	buf_addf(out, "\t%s)\n\t\t_batchgate_words \"$current\"", command_table[command].name);
	if (command == COMMAND_SERVE)
		buf_adds(out, " --version");
	for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++)
		if (command_has(command, &command_flags[i]))
			buf_addf(out, " \\\n\t\t\t%s", command_flags[i].name);
	for (size_t i = 0;
		command_table[command].takes_settings && config_table_flag_names(NULL, i, name);
		i++)
		if (*name)
			buf_addf(out, " \\\n\t\t\t%s", name);
	buf_adds(out, "\n\t\t;;\n");
}

void manual_bash_completion(struct buf *out)
{
	buf_adds(out, head);
	add_values_of_flags(out);
	add_values_of_settings(out);
	buf_adds(out, between);
	for (enum command_id id = 0; id < COMMAND_COUNT; id++)
		buf_addf(out, " %s", command_table[id].name);
	buf_adds(out, "\n\t\treturn\n\tfi\n"
		      "\tif [[ $command == run && $current != -* ]]; then\n"
		      "\t\t_batchgate_files \"$current\"\n\t\treturn\n\tfi\n"
		      "\tcase $command in\n");
	for (enum command_id id = 0; id < COMMAND_COUNT; id++)
		add_flags(id, out);
	buf_adds(out, "\tesac\n");
	buf_adds(out, files);
}
