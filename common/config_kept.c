/* config_kept.c - values of settings: judged, kept in their struct, printed and released. */
#include "common/config_kept.h"

#include <stddef.h>
#include <string.h>

#include "common/config_value.h"
#include "common/config_write.h"
#include "common/mem.h"

struct ports { /* as targets.ports stands in struct config, in front of its count */
	uint16_t *items;
	size_t count;
};
_Static_assert(
	offsetof(struct config, targets.port_count) - offsetof(struct config, targets.ports) ==
		offsetof(struct ports, count),
	"targets.ports and its count stand together");
_Static_assert(offsetof(struct config_endpoint, retry.retry_on_count) -
			       offsetof(struct config_endpoint, retry.retry_on) ==
		       offsetof(struct ports, count),
	"retry_on and its count stand together");
_Static_assert(sizeof(enum config_param_type) == sizeof(uint32_t), "kept as a number of 32 bits");
_Static_assert(sizeof(enum config_http2) == sizeof(uint32_t), "kept as a number of 32 bits");

/* Kept as a string: texts, and the method, which is a choice. */
static bool is_text(const struct setting *setting)
{
	return (setting->type >= SETTING_TEXT && setting->type <= SETTING_PROGRAM) ||
	       setting->type == SETTING_METHOD;
}

static void keep_number(const struct setting *setting, void *base, uint64_t number)
{
	char *at = (char *)base + setting->offset;
	uint32_t word = (uint32_t)number;
	uint16_t half = (uint16_t)number;
	bool flag = number != 0;

	if (setting->type == SETTING_BOOL)
		memcpy(at, &flag, sizeof flag);
	else if (setting->width == sizeof number)
		memcpy(at, &number, sizeof number);
	else if (setting->width == sizeof word)
		memcpy(at, &word, sizeof word);
	else if (setting->width == sizeof half)
		memcpy(at, &half, sizeof half);
}

static uint64_t kept_number(const struct setting *setting, const void *base)
{
	const char *at = (const char *)base + setting->offset;
	uint64_t number = 0;
	uint32_t word;
	uint16_t half;
	bool flag;

	if (setting->type == SETTING_BOOL) {
		memcpy(&flag, at, sizeof flag);
		return flag;
	}
	if (setting->width == sizeof word) {
		memcpy(&word, at, sizeof word);
		return word;
	}
	if (setting->width == sizeof half) {
		memcpy(&half, at, sizeof half);
		return half;
	}
	memcpy(&number, at, sizeof number);
	return number;
}

static void free_text(char **text)
{
	if (*text)
		mem_wipe(*text, strlen(*text));
	mem_free(*text);
	*text = NULL;
}

static void free_strings(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		mem_free(strings->items[i]);
	mem_free(strings->items);
	*strings = (struct config_strings){NULL, 0};
}

static void clear(const struct setting *setting, void *base)
{
	void *at = (char *)base + setting->offset;
	struct ports *ports = at;

	if (setting->width == 0)
		return;
	if (setting->type == SETTING_STRINGS) {
		free_strings(at);
	} else if (setting->type == SETTING_PORTS) {
		mem_free(ports->items);
		*ports = (struct ports){NULL, 0};
	} else if (is_text(setting)) {
		free_text(at);
	}
}

void config_kept_clear(const char *scope, void *base)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++)
		if (config_table_is_member(&setting_table[i], scope))
			clear(&setting_table[i], base);
}

static bool keep_text(const struct setting *setting, void *base, const char *text)
{
	char **at = (char **)(void *)((char *)base + setting->offset);
	char *copy = mem_copy(text, strlen(text));

	if (!copy)
		return false;
	free_text(at);
	*at = copy;
	return true;
}

static bool keep_strings(
	const struct setting *setting, void *base, char *const *texts, size_t count)
{
	struct config_strings strings = {mem_try(count * sizeof *strings.items), 0};

	if (!strings.items)
		return false;
	for (; strings.count < count; strings.count++) {
		strings.items[strings.count] =
			mem_copy(texts[strings.count], strlen(texts[strings.count]));
		if (!strings.items[strings.count]) {
			free_strings(&strings);
			return false;
		}
	}
	clear(setting, base);
	memcpy((char *)base + setting->offset, &strings, sizeof strings);
	return true;
}

static bool keep_ports(const struct setting *setting, void *base, char *const *texts, size_t count)
{
	struct ports ports = {mem_try(count * sizeof *ports.items), count};
	uint64_t number = 0;

	if (!ports.items)
		return false;
	for (size_t i = 0; i < count; i++) {
		REQUIRE(config_value_read(SETTING_PORTS, texts[i], &number) == NULL);
		ports.items[i] = (uint16_t)number;
	}
	clear(setting, base);
	memcpy((char *)base + setting->offset, &ports, sizeof ports);
	return true;
}

/* Keeps what was judged already. False without memory. */
static bool keep(const struct setting *setting, void *base, char *const *texts, size_t count)
{
	uint64_t number = 0;
	double rate;

	if (setting->width == 0)
		return true;
	if (setting->type == SETTING_STRINGS)
		return keep_strings(setting, base, texts, count);
	if (setting->type == SETTING_PORTS)
		return keep_ports(setting, base, texts, count);
	if (is_text(setting))
		return keep_text(setting, base, texts[0]);
	if (setting->type == SETTING_RATE) {
		rate = config_value_rate(texts[0]);
		memcpy((char *)base + setting->offset, &rate, sizeof rate);
		return true;
	}
	REQUIRE(config_value_read(setting->type, texts[0], &number) == NULL);
	keep_number(setting, base, number);
	return true;
}

static void fault_range(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, const char *shown)
{
	enum setting_type type = setting->type == SETTING_PORTS ? SETTING_COUNT : setting->type;
	struct buf range;

	buf_init(&range, 256);
	config_value_write(type, setting->min, &range);
	buf_adds(&range, " to ");
	config_value_write(type, setting->max, &range);
	config_fault(loading, place, key, "%s is out of range; it may be %s", shown,
		range.ptr ? range.ptr : "");
	buf_free(&range);
}

static bool judge_number(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, const char *text, const char *shown)
{
	uint64_t number = 0;
	const char *problem = config_value_read(setting->type, text, &number);
	bool ranged = setting->type <= SETTING_TIME || setting->type == SETTING_PORTS;

	if (problem && !*text)
		config_fault(loading, place, key, "has no value");
	else if (problem)
		config_fault(loading, place, key, "%s %s", shown, problem);
	else if (ranged && (number < setting->min || number > setting->max))
		fault_range(loading, place, setting, key, shown);
	else if (setting->type == SETTING_RATE && setting->max && number > setting->max)
		config_fault(loading, place, key, "%s is too fast; the count may be at most %llu",
			shown, (unsigned long long)setting->max);
	else
		return true;
	return false;
}

static bool judge_text(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, const char *text, const char *shown)
{
	bool lines = setting->type == SETTING_PROSE || setting->type == SETTING_PROGRAM;

	if (!config_value_is_clean(text, lines))
		config_fault(
			loading, place, key, "%s has control characters or is not UTF-8", shown);
	else if (!*text && (setting->min > 0 || setting->type == SETTING_STRINGS))
		config_fault(loading, place, key, "must not be empty");
	else if (strlen(text) > setting->max)
		config_fault(loading, place, key, "is too long; %llu bytes are allowed",
			(unsigned long long)setting->max);
	else
		return true;
	return false;
}

static bool judge(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, const char *text, const char *shown)
{
	if (config_value_is_number(setting->type) || setting->type == SETTING_PORTS)
		return judge_number(loading, place, setting, key, text, shown);
	return judge_text(loading, place, setting, key, text, shown);
}

static bool is_default_list(const char *fallback, char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strcspn(fallback, ",");

		if (strncmp(fallback, texts[i], len) != 0 || texts[i][len])
			return false;
		fallback += len + (fallback[len] == ',');
	}
	return !*fallback;
}

static bool is_default(const struct setting *setting, char *const *texts, size_t count)
{
	uint64_t number = 0, usual = 0;

	if (!setting->fallback)
		return false;
	if (config_table_is_list(setting))
		return is_default_list(setting->fallback, texts, count);
	if (!config_value_is_number(setting->type))
		return strcmp(setting->fallback, texts[0]) == 0 ||
		       (setting->type == SETTING_STORE && strcmp(texts[0], "off") == 0);
	return !config_value_read(setting->type, texts[0], &number) &&
	       !config_value_read(setting->type, setting->fallback, &usual) && number == usual;
}

void config_kept_fault_later(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key)
{
	if (!setting->fallback)
		config_fault(loading, place, key, "%s; leave it out", setting->later);
	else if (!*setting->fallback)
		config_fault(loading, place, key, "%s; leave it empty", setting->later);
	else if (setting->type == SETTING_STRINGS)
		config_fault(loading, place, key, "%s; leave it [\"%s\"]", setting->later,
			setting->fallback);
	else
		config_fault(loading, place, key, "%s; leave it \"%s\"", setting->later,
			setting->fallback);
}

void config_kept_set(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, void *base, char *const *texts,
	size_t count, const char *raw)
{
	char quoted[CONFIG_QUOTE_SIZE];
	size_t faults_before = loading->fault_count;

	for (size_t i = 0; i < count; i++) {
		char item[CONFIG_KEY_SIZE];
		const char *shown = setting->type == SETTING_SECRET
					    ? "what is given"
					    : config_fault_quote(raw ? raw : texts[i], quoted);

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		judge(loading, place, setting, config_table_is_list(setting) ? item : key, texts[i],
			shown);
	}
	if (loading->fault_count > faults_before)
		return;
	if (setting->later && !is_default(setting, texts, count))
		config_kept_fault_later(loading, place, setting, key);
	if (!keep(setting, base, texts, count))
		config_fault_no_memory(loading);
	if (config_table_is_single(setting))
		loading->origins[setting - setting_table] = place;
}

static bool keep_default(const struct setting *setting, void *base)
{
	char *copy = mem_copy(setting->fallback, strlen(setting->fallback)), *parts[16];
	size_t count = 0;
	bool kept;

	if (!copy)
		return false;
	parts[0] = copy;
	if (!config_table_is_list(setting))
		count = 1;
	else
		for (char *part, *rest = copy; *copy && (part = strsep(&rest, ",")) && count < 16;)
			parts[count++] = part;
	kept = keep(setting, base, parts, count);
	mem_free(copy);
	return kept;
}

void config_kept_defaults(struct config_loading *loading, const char *scope, void *base)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *setting = &setting_table[i];

		if (setting->width && setting->fallback && config_table_is_member(setting, scope) &&
			!keep_default(setting, base))
			config_fault_no_memory(loading);
	}
}

static void print_list(const struct setting *setting, const void *at, struct buf *out)
{
	const struct config_strings *strings = at;
	const struct ports *ports = at;
	bool numbers = setting->type == SETTING_PORTS;
	size_t count = numbers ? ports->count : strings->count;

	buf_add_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_adds(out, ", ");
		if (numbers)
			buf_add_u64(out, ports->items[i]);
		else
			config_write_text(strings->items[i], out);
	}
	buf_add_char(out, ']');
}

void config_kept_print(const struct setting *setting, const void *base, struct buf *out)
{
	const void *at = (const char *)base + setting->offset;
	bool number = config_value_is_number(setting->type) && !is_text(setting);
	double rate;

	if (setting->width == 0) {
		if (number)
			buf_adds(out, setting->fallback);
		else if (config_table_is_list(setting))
			buf_adds(out, "[]");
		else
			config_write_text(setting->fallback, out);
	} else if (config_table_is_list(setting)) {
		print_list(setting, at, out);
	} else if (setting->type == SETTING_RATE) {
		memcpy(&rate, at, sizeof rate);
		config_value_write_rate(rate, out);
	} else if (setting->type == SETTING_PERCENT && kept_number(setting, base) == 0) {
		buf_adds(out, "off");
	} else if (number) {
		config_value_write(setting->type, kept_number(setting, base), out);
	} else {
		const char *text = *(char *const *)at;

		config_write_text(setting->type == SETTING_SECRET && *text ? "***" : text, out);
	}
}
