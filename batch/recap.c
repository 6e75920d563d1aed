/* recap.c - what people are told of a batch: a line an item, and the figures at the end. */
#include "batch/recap.h"

#include <string.h>

#include "batch/glance.h"
#include "common/utf8.h"

enum { SHOWN_BYTES = 300 /* of an id or a message */ };

/* The bytes of a character that would steer a terminal, or turn the text behind it; 0: none. */
static size_t steers(const char *text, size_t len)
{
	unsigned char c[3] = {0};

	memcpy(c, text, len < sizeof c ? len : sizeof c);
	if (c[0] < 0x20 || c[0] == 0x7F)
		return 1;
	if ((c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) || /* C1, U+0080 to U+009F */
		(c[0] == 0xD8 && c[1] == 0x9C))              /* U+061C */
		return 2;
	if (c[0] != 0xE2)
		return 0;
	if (c[1] == 0x80) /* U+200E, U+200F, U+2028 to U+202E */
		return c[2] == 0x8E || c[2] == 0x8F || (c[2] >= 0xA8 && c[2] <= 0xAE) ? 3 : 0;
	return c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9 ? 3 : 0; /* U+2066 to U+2069 */
}

size_t recap_add_text(struct buf *out, struct span text)
{
	size_t columns = 0;

	for (size_t i = 0; i < text.len; i++) {
		size_t steering = steers(text.ptr + i, text.len - i);

		columns += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
		buf_add_char(out, steering ? '?' : text.ptr[i]);
		if (steering)
			i += steering - 1;
	}
	return columns;
}

/* A JSON string, cut at a character. */
static size_t add_string(struct buf *out, struct span string)
{
	struct buf text;
	struct span shown;
	size_t columns;

	buf_init(&text, string.len + 1);
	if (string.len && scan_string(string, &text) != ERR_OK)
		out->failed = true;
	shown.ptr = text.ptr ? text.ptr : "";
	shown.len = utf8_cut(shown.ptr, text.len, SHOWN_BYTES);
	columns = recap_add_text(out, shown);
	if (shown.len < text.len) {
		buf_adds(out, "…");
		columns++;
	}
	buf_free(&text);
	return columns;
}

static size_t add_id(struct buf *out, const struct glance *glance)
{
	size_t start = out->len;

	if (scan_type(glance->id) == SCAN_STRING)
		return add_string(out, glance->id);
	if (scan_type(glance->id) == SCAN_NULL)
		buf_addf(out, "#%llu", (unsigned long long)glance->index);
	else
		buf_add(out, glance->id.ptr, glance->id.len);
	return out->len - start;
}

size_t recap_add_item(struct buf *out, struct span result)
{
	const char *head;
	struct glance glance;
	size_t columns, start;

	if (!glance_read(result, &glance))
		return 0;
	head = glance.success ? "[OK] " : "[FAILED] ";
	buf_adds(out, head);
	columns = strlen(head) + add_id(out, &glance);
	if (!glance.success) {
		buf_adds(out, ": ");
		return columns + 2 + add_string(out, glance.message);
	}
	start = out->len;
	buf_addf(out, " (%llu.%02u s)", (unsigned long long)(glance.duration_ms / 1000),
		(unsigned)(glance.duration_ms % 1000 / 10));
	return columns + out->len - start;
}

void recap_add_figures(struct buf *out, const size_t by_code[ITEM_CODE_COUNT], uint64_t duration_us)
{
	const char *between = " (";
	size_t failed = 0, total;

	for (unsigned i = ITEM_OK + 1; i < ITEM_CODE_COUNT; i++)
		failed += by_code[i];
	total = by_code[ITEM_OK] + failed;
	buf_addf(out, "%zu item%s: %zu succeeded, %zu failed", total, total == 1 ? "" : "s",
		by_code[ITEM_OK], failed);
	for (unsigned i = ITEM_OK + 1; i < ITEM_CODE_COUNT; i++) {
		if (by_code[i] == 0)
			continue;
		buf_addf(out, "%s%zu %s", between, by_code[i], code_text((enum item_code)i));
		between = ", ";
	}
	buf_addf(out, "%s in %llu.%02u s", failed ? ")" : "",
		(unsigned long long)(duration_us / 1000000),
		(unsigned)(duration_us % 1000000 / 10000));
}
