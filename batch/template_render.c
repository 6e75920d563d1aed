/* template_render.c - what a program puts out, as JSON text. */
#include "batch/template_render.h"

static void render_piece(struct buf *out, jv text)
{
	buf_add(out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
	jv_free(text);
}

static void render_string(struct buf *out, jv text)
{
	buf_add_json_string(
		out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
	jv_free(text);
}

static bool render_array(struct buf *out, jv array, unsigned depth)
{
	int count = jv_array_length(jv_copy(array));
	bool fits = true;

	buf_add_char(out, '[');
	for (int i = 0; i < count && fits && !out->failed; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		fits = template_render(out, jv_array_get(jv_copy(array), i), depth);
	}
	buf_add_char(out, ']');
	return fits;
}

static bool render_object(struct buf *out, jv object, unsigned depth)
{
	const char *before = "";
	bool fits = true;

	buf_add_char(out, '{');
	for (int at = jv_object_iter(object);
		jv_object_iter_valid(object, at) && fits && !out->failed;
		at = jv_object_iter_next(object, at)) {
		buf_adds(out, before);
		render_string(out, jv_object_iter_key(object, at));
		buf_add_char(out, ':');
		fits = template_render(out, jv_object_iter_value(object, at), depth);
		before = ",";
	}
	buf_add_char(out, '}');
	return fits;
}

bool template_render(struct buf *out, jv value, unsigned depth)
{
	bool fits = true;

	switch (jv_get_kind(value)) {
	case JV_KIND_STRING:
		render_string(out, value);
		return true;
	case JV_KIND_ARRAY:
		fits = depth > 0 && render_array(out, value, depth - 1);
		break;
	case JV_KIND_OBJECT:
		fits = depth > 0 && render_object(out, value, depth - 1);
		break;
	default: /* how a number is spelled is the library's */
		render_piece(out, jv_dump_string(value, 0));
		return true;
	}
	jv_free(value);
	return fits;
}
