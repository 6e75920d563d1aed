/* check_endpoint.c - `batchgate check --endpoint NAME --item JSON`: what would be sent for an item,
 * and what becomes of an answer, without calling out.
 *
 * The readers and templates are the server's own; only the order of the steps is repeated here. */
#include "cli/check_endpoint.h"

#include <stdio.h>
#include <string.h>

#include "batch/item.h"
#include "batch/mask.h"
#include "batch/params.h"
#include "batch/scan.h"
#include "batch/template_check.h"
#include "common/config_expand.h"
#include "common/exit_code.h"
#include "common/mem.h"

enum { TEXT_MAX_BYTES = 16 << 20 };

struct trial {
	struct config *config;
	const struct check_trial *says;
	struct endpoint_set *set;
	struct endpoint_use *use;
	struct template_checker *checker;
	struct buf item, params, answer;
	struct options options;
	struct defaults defaults;
};

static int refuse(const char *flag, const char *what)
{
	fprintf(stderr, "batchgate check: --%s: %s\n", flag, what);
	return EXIT_USAGE;
}

/* ---- the arguments ---- */

static int read_text(const char *flag, const char *value, bool is_file, struct buf *out)
{
	const char *path = value + (value[0] == '@');
	struct err err;

	buf_init(out, TEXT_MAX_BYTES);
	if (!is_file && value[0] != '@') {
		buf_adds(out, value);
		return 0;
	}
	if (config_expand_read(path, out, &err) == ERR_OK)
		return 0;
	fprintf(stderr, "batchgate check: --%s: %.300s: %s\n", flag, path, err.detail);
	return EXIT_USAGE;
}

static int read_json(
	const struct trial *trial, const char *flag, const char *value, struct buf *out)
{
	struct scan_error error;
	size_t line, column;
	char what[160];
	int status = read_text(flag, value, false, out);

	if (status)
		return status;
	if (scan_check((struct span){out->ptr, out->len}, trial->config->limits.max_depth, &error))
		return 0;
	scan_position((struct span){out->ptr, out->len}, error.offset, &line, &column);
	snprintf(what, sizeof what,
		"no JSON: line %zu, column %zu: %s (a string is written "
		"'\"text\"')",
		line, column, error.what);
	return refuse(flag, what);
}

static int read_params(struct trial *trial)
{
	struct span given = scan_trim((struct span){trial->params.ptr, trial->params.len});
	struct fault fault;

	fault_init(&fault, NULL, "");
	if (params_read(given, trial->use->endpoint->config, &trial->use->params, &fault) == ERR_OK)
		return 0;
	fprintf(stderr, "batchgate check: --params: %s%s%s\n", fault.pointer,
		fault.pointer[0] ? ": " : "", fault.message);
	return EXIT_USAGE;
}

/* What a batch without options would have. */
static int read_defaults(struct trial *trial)
{
	const struct span text = {trial->use->defaults, trial->use->defaults_len};
	struct fault fault;

	fault_init(&fault, NULL, "");
	if (options_read((struct span){NULL, 0}, trial->config, true, &trial->options, &fault) !=
			ERR_OK ||
		options_read_defaults(text, trial->config, &trial->defaults, &fault) != ERR_OK)
		return refuse("endpoint", "no memory");
	options_policy(&trial->options, true, &trial->defaults);
	if (header_base_init(&trial->defaults.headers, NULL, NULL) != ERR_OK)
		return refuse("endpoint", "no memory");
	return 0;
}

static bool name_at(const void *set, size_t i, char ret[CONFIG_NAME_SIZE])
{
	if (i >= endpoint_count(set))
		return false;
	snprintf(ret, CONFIG_NAME_SIZE, "%s", endpoint_at(set, i)->config->name);
	return true;
}

static int refuse_endpoint(const struct trial *trial)
{
	const char *name = trial->says->endpoint;
	char what[3 * CONFIG_QUOTE_SIZE], quoted[CONFIG_QUOTE_SIZE], hint[CONFIG_QUOTE_SIZE];

	snprintf(what, sizeof what, "the configuration has no endpoint %s%s",
		config_fault_quote(name, quoted),
		config_fault_hint(name, name_at, trial->set, hint));
	return refuse("endpoint", what);
}

static int begin(struct trial *trial, struct forker *forker)
{
	const struct check_trial *says = trial->says;
	const struct endpoint *endpoint;
	struct buf faults;
	struct err err;
	int status;

	buf_init(&faults, TEXT_MAX_BYTES);
	if (endpoint_set_new(trial->config, 0, &trial->set, &faults) != ERR_OK)
		status = refuse("endpoint", faults.len ? faults.ptr : "no memory");
	else
		status = 0;
	buf_free(&faults);
	if (status)
		return status;
	endpoint = endpoint_find(trial->set, says->endpoint);
	if (!endpoint && !trial->config->path)
		return refuse("endpoint", "there is no configuration: --config FILE names one");
	if (!endpoint)
		return refuse_endpoint(trial);
	if (!says->item)
		return refuse("item", "is missing: --item '\"text\"' or --item @FILE");
	if (endpoint_use_new(trial->set, endpoint, &trial->use) != ERR_OK)
		return refuse("endpoint", "no memory");
	if (template_checker_new(forker, &trial->checker, &err) != ERR_OK)
		return refuse("endpoint", err.detail);
	status = read_json(trial, "item", says->item, &trial->item);
	if (!status && says->params)
		status = read_json(trial, "params", says->params, &trial->params);
	if (!status && says->answer)
		status = read_text("answer", says->answer, true, &trial->answer);
	if (!status)
		status = read_params(trial);
	return status ? status : read_defaults(trial);
}

static void end(struct trial *trial)
{
	options_free_defaults(&trial->defaults);
	endpoint_use_destroy(trial->use);
	endpoint_set_unref(trial->set);
	template_checker_destroy(trial->checker);
	buf_free(&trial->item);
	buf_free(&trial->params);
	buf_free(&trial->answer);
}

/* ---- the steps ---- */

/* False: it failed, which was told. */
static bool evaluate(struct trial *trial, const struct template *template,
	const struct template_part *more, size_t more_count, struct buf *out)
{
	struct template_part parts[TEMPLATE_PARTS_MAX] = {
		{"item", {trial->item.ptr, trial->item.len}}, {"index", SPAN("0")},
		{"params", {trial->use->params.ptr, trial->use->params.len}}};
	struct template_answer answer = {.text = SPAN("no memory")};
	size_t count = 3;
	struct err err;

	for (size_t i = 0; i < more_count; i++)
		parts[count++] = more[i];
	if (template_try(trial->checker, template, parts, count, TEXT_MAX_BYTES, &answer, &err) !=
		ERR_OK)
		answer = (struct template_answer){.text = span_of(err.detail)};
	if (answer.ok && answer.text.len > 0)
		return buf_add(out, answer.text.ptr, answer.text.len) == ERR_OK;
	printf("%s: fails: %.*s\n", template_kind_text(template_kind(template)),
		answer.ok ? (int)strlen("it gave no output") : (int)answer.text.len,
		answer.ok ? "it gave no output" : answer.text.ptr);
	return false;
}

static bool passes_check(struct trial *trial)
{
	const struct endpoint *endpoint = trial->use->endpoint;
	struct buf out;
	bool passed;

	if (!endpoint->item_check)
		return true;
	buf_init(&out, TEXT_MAX_BYTES);
	passed = evaluate(trial, endpoint->item_check, NULL, 0, &out);
	if (passed && (strcmp(out.ptr, "false") == 0 || strcmp(out.ptr, "null") == 0)) {
		printf("item_check: refuses the item: %s\n", endpoint->config->item_check_message);
		passed = false;
	}
	buf_free(&out);
	return passed;
}

/* Secrets are masked; a header of the configuration is shown with its name alone. */
static void show_masked(const struct trial *trial, const char *before, struct span text)
{
	char *copy = mem_copy(text.ptr, text.len);
	size_t len;

	if (!copy)
		return;
	len = mask_bytes(&trial->use->endpoint->config->secrets, copy, text.len);
	printf("%s%.*s\n", before, (int)len, copy);
	mem_wipe(copy, text.len);
	mem_free(copy);
}

static bool is_configured(const struct trial *trial, const char *line)
{
	const struct config_endpoint *config = trial->use->endpoint->config;

	for (size_t i = 0; i < config->header_count; i++) {
		size_t len = strlen(config->headers[i].name);

		if (strncasecmp(line, config->headers[i].name, len) == 0 &&
			(line[len] == ':' || line[len] == ';'))
			return true;
	}
	return false;
}

static void show_request(const struct trial *trial, const struct request *request)
{
	char before[32];

	printf("request:\n");
	snprintf(before, sizeof before, "  %s ", method_text(request->method));
	show_masked(trial, before, span_of(request->url.text));
	for (size_t i = 0; i < request->header_count; i++) {
		const char *line = request->headers[i];

		if (is_configured(trial, line))
			printf("  %.*s: ***\n", (int)strcspn(line, ":;"), line);
		else
			printf("  %s\n", line);
	}
	if (request->has_body)
		show_masked(trial, "\n  ", request->body);
}

static bool try_request(struct trial *trial)
{
	const struct endpoint *endpoint = trial->use->endpoint;
	const struct item_env env = {.config = trial->config,
		.guard = endpoint->guard,
		.options = &trial->options,
		.defaults = &trial->defaults,
		.use = trial->use};
	struct item_scratch scratch;
	struct item_verdict verdict;
	struct item *item = NULL;
	struct buf out;
	bool made;

	buf_init(&out, TEXT_MAX_BYTES);
	made = endpoint->request ? evaluate(trial, endpoint->request, NULL, 0, &out)
				 : buf_adds(&out, "{}") == ERR_OK;
	if (made) {
		made = item_scratch_init(&scratch, &trial->defaults) == ERR_OK &&
		       item_read(&env, (struct span){out.ptr, out.len}, 0, &scratch, &item,
			       &verdict) == ERR_OK &&
		       item;
		item_scratch_free(&scratch);
		if (made)
			show_request(trial, &item->call.request);
		else
			printf("request: fails: %s\n", verdict.fault.message);
	}
	item_destroy(item, NULL);
	buf_free(&out);
	return made;
}

static void show_output(struct trial *trial, const struct template *template,
	const struct template_part *parts, size_t count, bool *ret_good)
{
	struct buf out;

	buf_init(&out, TEXT_MAX_BYTES);
	*ret_good = evaluate(trial, template, parts, count, &out);
	if (*ret_good) {
		printf("%s:\n  ", template_kind_text(template_kind(template)));
		fwrite(out.ptr, 1, out.len, stdout);
		printf("\n");
	}
	buf_free(&out);
}

static bool try_response(struct trial *trial)
{
	const struct span text = {trial->answer.ptr, trial->answer.len};
	bool json = scan_check(text, SCAN_DEPTH_MAX, NULL), good;
	struct template_part parts[] = {{"status", SPAN("200")},
		{"headers", json ? SPAN("{\"content-type\":\"application/json\"}")
				 : SPAN("{\"content-type\":\"text/plain\"}")},
		{"body", text}};
	struct buf body;

	if (!trial->says->answer || !trial->use->endpoint->response)
		return true;
	buf_init(&body, SIZE_MAX / 2);
	if (!json) {
		buf_add_json_string(&body, text.ptr, text.len);
		parts[2].value = (struct span){body.ptr, body.len};
	}
	show_output(trial, trial->use->endpoint->response, parts, 3, &good);
	buf_free(&body);
	return good;
}

static bool try_fallback(struct trial *trial)
{
	static const char error[] =
		"{\"code\":\"upstream_status\",\"message\":\"the upstream answered 503 Service "
		"Unavailable\",\"retryable\":true,\"sent\":true}";
	const struct template_part part = {"error", SPAN(error)};
	bool good = true;

	if (trial->use->endpoint->fallback)
		show_output(trial, trial->use->endpoint->fallback, &part, 1, &good);
	return good;
}

int check_endpoint(struct config *config, struct forker *forker, const struct check_trial *says)
{
	struct trial trial = {.config = config, .says = says};
	int status = begin(&trial, forker);
	bool good;

	if (status == 0) {
		good = passes_check(&trial) && try_request(&trial) && try_response(&trial);
		good = try_fallback(&trial) && good;
		status = good ? 0 : EXIT_ITEMS_FAILED;
	}
	end(&trial);
	return status;
}
