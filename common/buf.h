/* buf.h - bytes that grow, up to a limit given at birth.
 *
 * One owner, one thread at a time. A failed add leaves the contents as they were. `sticky` failure:
 * after the first failed add, `failed` stays set, so that a renderer may add many pieces and check
 * once. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct span { /* borrowed bytes, not terminated */
	const char *ptr;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
struct span span_of(const char *text); /* of a terminated string; NULL gives an empty one */
bool span_equals(struct span a, const char *text);        /* byte for byte */
bool span_equals_nocase(struct span a, const char *text); /* ASCII case folded */
struct span span_trim(struct span text);                  /* without spaces and tabs at its ends */

struct buf {
	char *ptr; /* terminated by a NUL that `len` does not count, once anything was added; NULL
		      before */
	size_t len, capacity, max;
	bool failed;
};

void buf_init(struct buf *buf, size_t max); /* allocates nothing */
void buf_free(struct buf *buf);             /* and leaves it empty, with the same max */
void buf_clear(struct buf *buf);            /* keeps the memory; forgets `failed` */
/* ERR_LIMIT past max, ERR_NOMEM. */
enum err_code buf_add(struct buf *buf, const void *bytes, size_t len);
enum err_code buf_reserve(struct buf *buf, size_t more); /* room for `more` bytes beyond len */
enum err_code buf_adds(struct buf *buf, const char *text);
enum err_code buf_add_char(struct buf *buf, char c);
enum err_code buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum err_code buf_add_u64(struct buf *buf, uint64_t n);
/* A duration given in microseconds, as milliseconds with one to three decimals: 12400 -> 12.4,
 * 812000 -> 812.0 */
enum err_code buf_add_ms(struct buf *buf, uint64_t us);
/* A JSON string, quotes included. `text` that is not valid UTF-8 has its bad bytes replaced by
 * U+FFFD. */
enum err_code buf_add_json_string(struct buf *buf, const char *text, size_t len);
/* RFC 4648 section 4, padded. */
enum err_code buf_add_base64(struct buf *buf, const void *bytes, size_t len);
/* Gives the memory away (release with mem_free); the buffer is empty then. NULL where it was
 * empty. */
char *buf_steal(struct buf *buf, size_t *ret_len);
#endif
