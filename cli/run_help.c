/* run_help.c - `batchgate run --help`. */
#include "cli/run_help.h"

static const char usage[] = "usage: batchgate run [FILE|-] [--output FILE | --resume OUTPUT] "
			    "[--concurrency N] [...]\n"
			    "       batchgate run --help shows every flag, with examples\n";

static const char *const help[] = {
	"batchgate run - makes the calls of a file without a server: many at once, one result a "
	"line\n"
	"\n"
	"usage: batchgate run [FILE|-] [--output FILE] [--order completion|input] [--concurrency "
	"N]\n"
	"                     [--timeout 30s] [--retries N] [--rate-limit 3500/min]\n"
	"                     [--defaults JSON|@FILE] [--resume OUTPUT [--retry-failed]] "
	"[--quiet]\n"
	"                     [--config FILE] [--a-b=VALUE ...]\n"
	"\n"
	"Try it:\n"
	"  printf '%s\\n' '{\"url\": \"https://example.com/\"}' '{\"url\": "
	"\"https://www.debian.org/\"}' |\n"
	"    batchgate run\n"
	"  batchgate run urls.ndjson --output results.ndjson --concurrency 64 --retries 2\n"
	"  batchgate run urls.ndjson --resume results.ndjson              after Ctrl-C or a crash\n"
	"  batchgate run urls.ndjson --resume results.ndjson --retry-failed\n"
	"  jq -c '{id, url, body: {text}}' rows.json |\n"
	"    batchgate run --defaults @defaults.json --output results.ndjson\n"
	"    with {\"method\": \"POST\", \"headers\": {\"Authorization\": \"Bearer KEY\"}} in "
	"defaults.json, where\n"
	"    neither `ps` nor the shell's history shows it\n"
	"  batchgate run batch.json --order input | jq -c 'select(.success | not) | .error'\n"
	"\n"
	"Input, a file or standard input, told apart by what it holds:\n"
	"  a batch document, as POST /v1/batch takes it: {\"defaults\": ..., \"items\": [...], "
	"\"options\": ...};\n"
	"    it is checked as a whole before the first call;\n"
	"  lines (NDJSON): one item a line, of any number, in constant memory. The first line may "
	"be the\n"
	"    document without its items: {\"defaults\": {\"timeout_ms\": 5000}}. Blank lines do "
	"not "
	"count. A line\n"
	"    that is no item ends as invalid_item, the others run. Ids are not compared with each "
	"other.\n"
	"\n",
	"Output: one result a line, the objects that the server puts into `results`, as they "
	"complete. `index` is\n"
	"the item's place in the input, from 0.\n"
	"\n"
	"Flags (they win over the document; what an item says of itself wins over them):\n"
	"  --output FILE        results go there; a file that is not empty is never overwritten\n"
	"  --order ORDER        completion (default), or input: the items' order; at most 1024 "
	"wait for a slow one,\n"
	"                       or twice the concurrency where that is more\n"
	"  --concurrency N      calls at once, 32 (options.concurrency); the pool and its limits "
	"follow, unless the\n"
	"                       configuration sets them\n"
	"  --timeout TIME       of an item, all its attempts included, 30s (defaults.timeout_ms)\n"
	"  --retries N          attempts after the first, 0 to 9 (retry.max_attempts less one)\n"
	"  --rate-limit RATE    starts, such as 50/s, 3500/min, 1000/h (options.rate_limit)\n"
	"  --defaults JSON      the object `defaults`, or @FILE with it; every line is an item "
	"then\n"
	"  --resume OUTPUT      goes on: items whose result is in OUTPUT are skipped, results are "
	"appended; the\n"
	"                       ids there must be those of the input. Makes the file where there "
	"is none\n"
	"  --retry-failed       with --resume: failed results are taken out, their items run "
	"again\n"
	"  --quiet              neither progress bar nor summary\n"
	"  --config FILE, --a-b=VALUE   settings, as batchgate --help lists them. Private "
	"addresses "
	"are not called\n"
	"                       unless opened: --targets-allow=10.0.0.5:8080, "
	"--targets-allow-private=true\n"
	"\n",
	"Ctrl-C (or SIGTERM) lets the calls that have begun finish, writes their results and ends; "
	"a second one\n"
	"aborts them, a third ends at once. Whatever ends a run, kill -9 included: --resume OUTPUT "
	"ends with exactly\n"
	"one result for each item. Calls that may be repeated (GET, PUT, DELETE ..., or an "
	"Idempotency-Key) may be\n"
	"made again; a POST or PATCH that was under way when the run was killed is not: it ends as "
	"`cancelled`, with\n"
	"`sent: true`, and --retry-failed makes it again. OUTPUT.inflight, beside the output, "
	"keeps "
	"track of them.\n"
	"\n"
	"Exit codes:\n"
	"  0    every item succeeded\n"
	"  1    it ran, and items failed\n"
	"  2    wrong usage, configuration or input; no call was made\n"
	"  3    failed at run time, for instance the output cannot be written\n"
	"  130  Ctrl-C (128 and the signal's number; 141: nobody read the output any more)\n",
};

void run_help_usage(FILE *stream)
{
	fputs(usage, stream);
}

void run_help_print(FILE *stream)
{
	for (size_t i = 0; i < sizeof help / sizeof *help; i++)
		fputs(help[i], stream);
}
