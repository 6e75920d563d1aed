/* run_help.c - what `batchgate run --help` and the manual say of it. */
#include "cli/run_help.h"

static const char examples[] =
	"  printf '%s\\n' '{\"url\": \"https://example.com/\"}' '{\"url\": "
	"\"https://www.debian.org/\"}' |\n"
	"    batchgate run\n"
	"  batchgate run urls.ndjson --output results.ndjson --concurrency 64 --retries 2\n"
	"  batchgate run urls.ndjson --resume results.ndjson              after Ctrl-C or a crash\n"
	"  batchgate run urls.ndjson --resume results.ndjson --retry-failed\n"
	"  jq -c '{id, url, body: {text}}' rows.json |\n"
	"    batchgate run --defaults @defaults.json --output results.ndjson\n"
	"  jq -R . queries.txt | batchgate run --config batchgate.yaml --endpoint rewrite-queries\n"
	"  batchgate run batch.json --order input | jq -c 'select(.success | not) | .error'\n\n"
	"Secrets belong into a file such as defaults.json, `{\"method\": \"POST\", \"headers\": "
	"{\"Authorization\": \"Bearer KEY\"}}`, where neither `ps` nor the shell's history shows "
	"them.";

static const char input[] =
	"A file or standard input, told apart by what it holds. A batch document, as POST "
	"/v1/batch takes it, `{\"defaults\": ..., \"items\": [...], \"options\": ...}`, is checked "
	"as a whole before the first call.\n\n"
	"Or lines (NDJSON): one item a line, of any number, in constant memory. The first line may "
	"be the document without its items: `{\"defaults\": {\"timeout_ms\": 5000}}`. Blank lines "
	"do not count. A line that is no item ends as `invalid_item`, the others run. Ids are not "
	"compared with each other.";

static const char output[] =
	"One result a line, the objects that the server puts into `results`, as they complete. "
	"`index` is the item's place in the input, from 0.";

static const char flags[] =
	"They win over the document; what an item says of itself wins over them. Settings, as "
	"batchgate --help lists them, are flags too. Private addresses are not called unless "
	"opened: `--targets-allow=10.0.0.5:8080`, `--targets-allow-private=true`.";

static const char interrupting[] =
	"Ctrl-C (or SIGTERM) lets the calls that have begun finish, writes their results and ends; "
	"a second one aborts them, a third ends at once. Whatever ends a run, kill -9 included: "
	"`--resume OUTPUT` ends with exactly one result for each item. Calls that may be repeated "
	"(GET, PUT, DELETE ..., or an Idempotency-Key) may be made again; a POST or PATCH that was "
	"under way when the run was killed is not: it ends as `cancelled`, with `sent: true`, and "
	"`--retry-failed` makes it again. OUTPUT.inflight, beside the output, keeps track of them.";

const struct prose run_help_sections[] = {
	{"Examples", examples},
	{"Input", input},
	{"Output", output},
	{"Flags", flags},
	{"Interrupting", interrupting},
	{NULL, NULL},
};
