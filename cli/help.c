/* help.c - `batchgate --help`: what it is, a first call, every subcommand and setting. */
#include "cli/help.h"

#include "common/config.h"

static const char intro[] =
	"batchgate " BATCHGATE_VERSION " - many HTTP calls in one request\n"
	"\n"
	"POST a JSON batch; every item becomes one HTTP call, the calls run on a bounded pool, and "
	"the\n"
	"answers come back in the order of the items. One slow or broken item never hurts the "
	"others.\n"
	"\n"
	"Try it:\n"
	"  batchgate &\n"
	"  curl --json '{\"items\": [{\"id\": \"a\", \"url\": \"https://example.com/\"},\n"
	"                         {\"id\": \"b\", \"url\": \"https://www.debian.org/\"}]}' "
	"\\\n"
	"       http://127.0.0.1:8080/v1/batch\n"
	"\n"
	"A call that many need is the operator's: a named endpoint of the configuration "
	"(endpoints, "
	"below) makes it of\n"
	"the data that callers POST to /v1/batch/NAME, and keeps the secrets.\n"
	"\n"
	"Usage:\n"
	"  batchgate [serve] [--config FILE] [--a-b=VALUE ...]   runs the server\n"
	"  batchgate run [FILE|-] [--output FILE] [...]          makes the calls of a file, "
	"without "
	"a server; run --help\n"
	"  batchgate check [--print] [--config FILE] [...]       checks the configuration; --print "
	"shows all of it,\n"
	"                                                        secrets masked\n"
	"  batchgate check --endpoint NAME --item JSON [...]     shows what a named endpoint makes "
	"of an item, without a call\n"
	"  batchgate key [--name NAME]                           makes an API key and its hash\n"
	"  batchgate key --hash                                  reads a key from standard input, "
	"prints its hash\n"
	"  batchgate --help | --version\n"
	"\n"
	"Signals of the server: SIGTERM finishes what runs and ends, a second one ends at once; "
	"SIGHUP reads the\n"
	"configuration again.\n"
	"\n"
	"Exit codes:\n"
	"  0  clean\n"
	"  1  items failed (run)\n"
	"  2  wrong usage or configuration; nothing was started\n"
	"  3  failed at run time, for instance the address is taken\n"
	"\n"
	"Settings. In the file (YAML) server: {port: 8080}; in the environment "
	"BATCHGATE_SERVER_PORT=8080; as a flag\n"
	"--server-port=8080. Flags win over the environment, that over the file; lists take commas "
	"there. The file is named\n"
	"by --config or BATCHGATE_CONFIG. Sizes take KiB, MiB, GiB; times ms, s, m, h, d; rates "
	"N/s, N/min, N/h. In the\n"
	"file, ${NAME} is the environment's value, ${NAME:-default} has a default, ${file:PATH} is "
	"a file's content,\n"
	"$$ is a dollar.\n"
	"\n";

void help_print(FILE *stream)
{
	struct buf settings;

	buf_init(&settings, 256 * 1024);
	config_help(&settings);
	fputs(intro, stream);
	if (settings.len)
		fwrite(settings.ptr, 1, settings.len, stream);
	buf_free(&settings);
}
