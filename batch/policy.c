/* policy.c - `retry` objects: read, merged member by member, made into the engine's policy. */
#include "batch/policy.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "batch/member.h"
#include "batch/scan.h"
#include "pool/retry.h"

enum { RETRY_TEXT_MAX = 16384, RETRY_ON_MAX = 50 };

static const struct span none = {NULL, 0};

void policy_default(struct retry_policy *ret_policy)
{
	static const unsigned statuses[] = {408, 425, 429, 500, 502, 503, 504};

	*ret_policy = (struct retry_policy){
		.max_attempts = 1, .backoff_us = 200000, .max_backoff_us = 10000000};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		retry_list(ret_policy, statuses[i]);
}

/* The integer member `name`, where it is there. */
static bool read_integer(const json_t *object, const char *name, json_int_t min, json_int_t max,
	const char *path, bool *ret_has, json_int_t *ret_n, struct fault *fault)
{
	const json_t *value = json_object_get(object, name);
	char where[FAULT_POINTER_MAX];

	*ret_has = value != NULL;
	*ret_n = 0;
	if (!value)
		return true;
	*ret_n = json_integer_value(value);
	if (json_is_integer(value) && *ret_n >= min && *ret_n <= max)
		return true;
	snprintf(where, sizeof where, "%s/%s", path, name);
	if (max < INT64_MAX)
		fault_add(fault, REASON_FIELD_INVALID, where, none,
			"`%s` must be an integer from %lld to %lld", name, (long long)min,
			(long long)max);
	else
		fault_add(fault, REASON_FIELD_INVALID, where, none,
			"`%s` must be an integer of at least %lld", name, (long long)min);
	return false;
}

static bool read_statuses(
	const json_t *object, const char *path, struct policy_patch *patch, struct fault *fault)
{
	const json_t *list = json_object_get(object, "retry_on"), *status;
	char where[FAULT_POINTER_MAX];
	size_t i;

	patch->has_retry_on = list != NULL;
	if (!list)
		return true;
	snprintf(where, sizeof where, "%s/retry_on", path);
	if (!json_is_array(list) || json_array_size(list) > RETRY_ON_MAX) {
		fault_add(fault, REASON_FIELD_INVALID, where, none,
			"`retry_on` must be a list of at most %d statuses", RETRY_ON_MAX);
		return false;
	}
	json_array_foreach(list, i, status)
	{
		json_int_t n = json_integer_value(status);

		if (!json_is_integer(status) || n < RETRY_STATUS_FIRST || n > RETRY_STATUS_LAST) {
			snprintf(where, sizeof where, "%s/retry_on/%zu", path, i);
			fault_add(fault, REASON_FIELD_INVALID, where, none,
				"`retry_on` must hold integers from %d to %d", RETRY_STATUS_FIRST,
				RETRY_STATUS_LAST);
			return false;
		}
		retry_list(&patch->says, (unsigned)n);
	}
	return true;
}

static uint64_t to_us(json_int_t ms)
{
	return (uint64_t)ms > UINT64_MAX / 4000 ? UINT64_MAX / 4 : (uint64_t)ms * 1000;
}

static bool read_members(
	const json_t *object, const char *path, struct policy_patch *patch, struct fault *fault)
{
	json_int_t attempts, backoff, max_backoff;
	bool ok = read_integer(object, "max_attempts", 1, CALL_ATTEMPTS_MAX, path,
		&patch->has_max_attempts, &attempts, fault);

	ok &= read_integer(
		object, "backoff_ms", 0, INT64_MAX, path, &patch->has_backoff, &backoff, fault);
	ok &= read_integer(object, "max_backoff_ms", 0, INT64_MAX, path, &patch->has_max_backoff,
		&max_backoff, fault);
	ok &= read_statuses(object, path, patch, fault);
	if (!ok)
		return false;
	patch->says.max_attempts = (unsigned)attempts;
	patch->says.backoff_us = to_us(backoff);
	patch->says.max_backoff_us = to_us(max_backoff);
	return true;
}

enum err_code policy_read(
	struct span value, const char *path, struct policy_patch *ret_patch, struct fault *fault)
{
	struct policy_patch patch = {0};
	struct member_set set;
	json_error_t error;
	json_t *object;
	bool before = fault->any, ok;

	if (scan_type(value) != SCAN_OBJECT || value.len > RETRY_TEXT_MAX)
		return fault_add(
			fault, REASON_FIELD_INVALID, path, none, "`retry` must be an object");
	member_read(value, PLACE_RETRY, path, &set, fault);
	if (fault->any && !before)
		return ERR_INVALID; /* a name that stands there twice would be refused again below
				     */
	object = json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		enum json_error_code code = json_error_code(&error);

		if (code != json_error_numeric_overflow && code != json_error_duplicate_key &&
			code != json_error_null_character && code != json_error_null_byte_in_key)
			return ERR_NOMEM; /* the text is proved, so nothing else can be wrong */
		return fault_add(fault, REASON_FIELD_INVALID, path, none,
			"`retry` holds a value that is out of range");
	}
	ok = read_members(object, path, &patch, fault);
	json_decref(object);
	if (!ok)
		return ERR_INVALID;
	*ret_patch = patch;
	return ERR_OK;
}

void policy_apply(struct retry_policy *policy, const struct policy_patch *patch)
{
	if (patch->has_max_attempts)
		policy->max_attempts = patch->says.max_attempts;
	if (patch->has_backoff)
		policy->backoff_us = patch->says.backoff_us;
	if (patch->has_max_backoff)
		policy->max_backoff_us = patch->says.max_backoff_us;
	if (patch->has_retry_on)
		memcpy(policy->retry_on, patch->says.retry_on, sizeof policy->retry_on);
}
