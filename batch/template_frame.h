/* template_frame.h - what stands in the frames between template.c (in the program) and
 * template_jq.c (in the helper process).
 *
 * A note is a program's text. A question begins with a template_ask; of TEMPLATE_EVALUATE, `count`
 * parts follow, each a template_part_head, its name and its value; of TEMPLATE_COMPILE, a program's
 * text. An answer is one byte, enum template_verdict, and a text: the output, or a sentence. */
#ifndef BATCH_TEMPLATE_FRAME_H
#define BATCH_TEMPLATE_FRAME_H
#include <stdint.h>

enum template_order { TEMPLATE_EVALUATE = 1, TEMPLATE_COMPILE };
enum template_verdict { TEMPLATE_DONE = 1, TEMPLATE_FAILED };

struct template_ask {
	uint32_t order; /* enum template_order */
	uint32_t count; /* parts */
	uint64_t program;
	uint64_t output_max; /* bytes */
};

struct template_part_head {
	uint32_t name_len, value_len;
};

enum {
	TEMPLATE_PROGRAMS_MAX = 1024,
	TEMPLATE_REASON_MAX = 300,      /* bytes of a sentence */
	TEMPLATE_OUTPUT_DEPTH_MAX = 128 /* brackets */
};
#endif
