/* glance.c - the few members of a rendered result that people and programs ask for again: read out
 * of its bytes. */
#include "batch/glance.h"

/* The integer part of a number that is not negative; more than 18 digits are none of ours. */
static bool read_number(struct span value, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < value.len && i < 19 && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(value.ptr[i] - '0');
	*ret_number = number;
	return i > 0 && i < 19;
}

static void read_error(struct span value, struct glance *glance)
{
	struct scan_member member;
	struct scan_walk walk;

	if (scan_type(value) != SCAN_OBJECT)
		return;
	scan_begin(&walk, value);
	while (scan_next(&walk, &member)) {
		if (scan_name_is(member.name, "sent"))
			glance->sent = scan_type(member.value) == SCAN_TRUE;
		else if (scan_type(member.value) != SCAN_STRING)
			continue;
		else if (scan_name_is(member.name, "code"))
			glance->code = member.value;
		else if (scan_name_is(member.name, "message"))
			glance->message = member.value;
	}
}

bool glance_read(struct span result, struct glance *ret_glance)
{
	struct glance glance = {0};
	bool has_index = false, has_success = false;
	struct scan_member member;
	struct scan_walk walk;

	result = scan_trim(result);
	if (result.len == 0 || scan_type(result) != SCAN_OBJECT)
		return false;
	scan_begin(&walk, result);
	while (scan_next(&walk, &member)) {
		enum scan_type type = scan_type(member.value);

		if (scan_name_is(member.name, "index")) {
			has_index = type == SCAN_NUMBER && read_number(member.value, &glance.index);
		} else if (scan_name_is(member.name, "id")) {
			glance.id = member.value;
		} else if (scan_name_is(member.name, "success")) {
			has_success = type == SCAN_TRUE || type == SCAN_FALSE;
			glance.success = type == SCAN_TRUE;
		} else if (scan_name_is(member.name, "duration_ms")) {
			read_number(member.value, &glance.duration_ms);
		} else if (scan_name_is(member.name, "error")) {
			read_error(member.value, &glance);
		}
	}
	*ret_glance = glance;
	return has_index && has_success && glance.id.len > 0;
}
