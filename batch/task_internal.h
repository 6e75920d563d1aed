/* task_internal.h - what task.c (the steps) and task_ask.c (the questions) share. */
#ifndef BATCH_TASK_INTERNAL_H
#define BATCH_TASK_INTERNAL_H
#include "batch/task.h"

static inline struct task *task_of(struct call *call)
{
	return ((struct item *)(void *)call)->task;
}

static inline const struct endpoint *task_endpoint(const struct task *task)
{
	return task->env->item.use->endpoint;
}

static inline struct mem_budget *task_budget(const struct task *task)
{
	return task->env->item.budget;
}

/* task_ask.c */
/* ERR_OK, and task_answered comes; ERR_NOMEM; ERR_IO: no process; ERR_LIMIT, ERR_BUSY: too much. */
enum err_code task_ask(struct call *call, const struct template *template,
	const struct template_part *more, size_t count, size_t output_max,
	uint64_t deadline_us) MUST_CHECK;
void task_fail_template(struct call *call, const struct template *template, enum item_reason reason,
	struct span why);
/* task_ask said so. */
void task_fail_ask(struct call *call, const struct template *template, enum item_reason reason,
	enum err_code code);

/* task.c */
void task_answered(void *call, enum helper_outcome outcome, struct span answer);
#endif
