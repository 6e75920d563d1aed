/* config_expand.c - `${NAME}`, `${NAME:-default}`, `${file:PATH}` and `$$` in a scalar, and the
 * reading of small files. */
#include "common/config_expand.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

void config_expand_free(char *text)
{
	if (text)
		mem_wipe(text, strlen(text));
	mem_free(text);
}

const char *config_expand_env(const struct config_loading *loading, const char *name, size_t len)
{
	for (char *const *entry = loading->env; entry && *entry; entry++)
		if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
			return *entry + len + 1;
	return NULL;
}

static void wipe(struct buf *buf)
{
	if (buf->ptr)
		mem_wipe(buf->ptr, buf->len);
	buf_free(buf);
}

enum err_code config_expand_read(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err_code code = ERR_OK;
	char block[4096];
	ssize_t n = 1;

	if (fd < 0)
		return err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
	while (code == ERR_OK && n != 0) {
		n = read(fd, block, sizeof block);
		if (n < 0 && errno != EINTR)
			code = err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
		else if (n > 0)
			code = buf_add(out, block, (size_t)n);
		if (code == ERR_LIMIT)
			err_set(err, code, "is too large; %zu bytes are allowed", out->max);
		else if (code == ERR_NOMEM)
			err_set(err, code, "cannot be read: no memory");
	}
	mem_wipe(block, sizeof block);
	close(fd);
	return code;
}

struct target { /* of one scalar */
	struct config_loading *loading;
	struct config_place place;
	const char *key;
	struct config_marks *marks; /* NULL: nobody asks */
	struct buf out;
};

static void put(struct target *target, const char *bytes, size_t len)
{
	bool failed_before = target->out.failed;
	enum err_code code = buf_add(&target->out, bytes, len);

	if (code == ERR_NOMEM)
		config_fault_no_memory(target->loading);
	else if (code == ERR_LIMIT && !failed_before)
		config_fault(target->loading, target->place, target->key,
			"is too long; %d bytes are allowed", CONFIG_TEXT_MAX_BYTES);
}

/* The same for what came from outside. */
static void put_marked(struct target *target, const char *bytes, size_t len)
{
	size_t from = target->out.len;

	put(target, bytes, len);
	if (target->marks)
		config_secret_mark(target->loading, target->marks, from, target->out.len);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put_trimmed(struct target *target, const char *text, size_t len)
{
	while (len && is_space(text[len - 1]))
		len--;
	while (len && is_space(*text)) {
		text++;
		len--;
	}
	put_marked(target, text, len);
}

static void put_file(struct target *target, const char *path)
{
	struct config_loading *loading = target->loading;
	char quoted[CONFIG_QUOTE_SIZE];
	struct buf content;
	struct err err;
	enum err_code code;

	config_fault_quote(path, quoted);
	if (loading->offline) {
		config_fault(loading, target->place, target->key, "the file %s is not read here",
			quoted);
		return;
	}
	buf_init(&content, CONFIG_TEXT_MAX_BYTES);
	code = config_expand_read(path, &content, &err);
	if (code == ERR_NOMEM)
		config_fault_no_memory(loading);
	else if (code != ERR_OK)
		config_fault(
			loading, target->place, target->key, "the file %s %s", quoted, err.detail);
	else if (content.len && memchr(content.ptr, '\0', content.len))
		config_fault(
			loading, target->place, target->key, "the file %s has a NUL byte", quoted);
	else
		put_trimmed(target, content.ptr, content.len);
	wipe(&content);
}

static bool is_variable(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	return len > 0;
}

static void put_variable(struct target *target, const char *name)
{
	struct config_loading *loading = target->loading;
	const char *usual = strstr(name, ":-"), *value;
	size_t len = usual ? (size_t)(usual - name) : strlen(name);
	char quoted[CONFIG_QUOTE_SIZE];

	if (!is_variable(name, len)) {
		config_fault(loading, target->place, target->key,
			"%s within ${ } is no variable; write ${NAME}, ${NAME:-default}, "
			"${file:PATH}, or $$ for a dollar",
			config_fault_quote(name, quoted));
		return;
	}
	value = config_expand_env(loading, name, len);
	if (usual && (!value || !*value))
		put(target, usual + 2, strlen(usual + 2));
	else if (value && !*value)
		config_fault_warn_at(loading, target->place, target->key,
			"the environment's %.*s is empty", (int)(len > 80 ? 80 : len), name);
	else if (value)
		put_marked(target, value, strlen(value));
	else
		config_fault(loading, target->place, target->key,
			"the environment has no %.*s; set it, or write ${%.*s:-default}",
			(int)(len > 80 ? 80 : len), name, (int)(len > 80 ? 80 : len), name);
}

/* `at` stands behind `${`. Returns what follows the closing brace, or NULL. */
static const char *put_reference(struct target *target, const char *at)
{
	const char *end = strchr(at, '}');
	char *inside;

	if (!end) {
		config_fault(target->loading, target->place, target->key,
			"${ without its }; write $$ for a dollar");
		return NULL;
	}
	inside = mem_copy(at, (size_t)(end - at));
	if (!inside)
		config_fault_no_memory(target->loading);
	else if (strncmp(inside, "file:", 5) == 0)
		put_file(target, inside + 5);
	else
		put_variable(target, inside);
	mem_free(inside);
	return end + 1;
}

/* What people write when they mean a variable; it stands for itself. */
static void warn_of_shell(const struct target *target, const char *dollar)
{
	size_t len = strspn(dollar + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	if (len > 1 && len <= 80 && (dollar[1] < '0' || dollar[1] > '9'))
		config_fault_warn(target->loading,
			"%s: $%.*s is taken as it stands; ${%.*s} is the variable's value",
			target->key, (int)len, dollar + 1, (int)len, dollar + 1);
}

static void put_all(struct target *target, const char *text)
{
	put(target, "", 0); /* an empty text is a text too */
	while (text && *text) {
		size_t run = strcspn(text, "$");

		put(target, text, run);
		text += run;
		if (text[0] == '$' && text[1] == '{') {
			text = put_reference(target, text + 2);
		} else if (text[0] == '$') {
			warn_of_shell(target, text);
			put(target, "$", 1);
			text += text[1] == '$' ? 2 : 1;
		}
	}
}

char *config_expand(struct config_loading *loading, struct config_place place, const char *key,
	const char *text)
{
	return config_expand_marked(loading, place, key, text, NULL);
}

char *config_expand_marked(struct config_loading *loading, struct config_place place,
	const char *key, const char *text, struct config_marks *ret_marks)
{
	struct target target = {.loading = loading, .place = place, .key = key, .marks = ret_marks};
	size_t faults_before = loading->fault_count, len;

	buf_init(&target.out, CONFIG_TEXT_MAX_BYTES);
	put_all(&target, text);
	if (!target.out.failed && !loading->no_memory && loading->fault_count == faults_before)
		return buf_steal(&target.out, &len);
	wipe(&target.out);
	return NULL;
}
