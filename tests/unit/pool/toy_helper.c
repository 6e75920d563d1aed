/* toy_helper.c - a helper process in place of jq that does what its question says. */
#include "tests/unit/pool/toy_helper.h"

#include "pool/servant.h"

enum { TOY_NOTES = 64 };

struct toy {
	struct servant servant;
	char notes[TOY_NOTES][32];
};

static void toy_big(struct toy *toy, uint64_t id, size_t len)
{
	char *bytes = mem_new(len);

	memset(bytes, 'x', len);
	if (!servant_answer(&toy->servant, id, (struct span){NULL, 0}, (struct span){bytes, len}))
		_exit(1);
	mem_free(bytes);
}

static void toy_answer(struct toy *toy, uint64_t id, struct span text)
{
	struct span none = {NULL, 0}, rest = {text.ptr + 1, text.len - 1};
	char self[32];
	bool told = true;

	switch (text.ptr[0]) {
	case 'e':
		told = servant_answer(&toy->servant, id, none, rest);
		break;
	case 'n':
		told = servant_answer(&toy->servant, id, none,
			span_of(toy->notes[strtoul(rest.ptr, NULL, 10) % TOY_NOTES]));
		break;
	case 'b':
		toy_big(toy, id, strtoul(rest.ptr, NULL, 10));
		break;
	case 'h':
		for (;;)
			pause();
	case 'l':
		told = servant_answer(&toy->servant, id, none, SPAN("bye")) &&
		       servant_leave(&toy->servant);
		(void)!told;
		_exit(0);
	case 'w':
		told = servant_answer(&toy->servant, id + 1, none, SPAN("for another"));
		break;
	case 'i':
		snprintf(self, sizeof self, "%d", (int)getpid());
		told = servant_answer(&toy->servant, id, none, span_of(self));
		break;
	case 'v':
		told = servant_answer(&toy->servant, id, none,
			span_of(environ && environ[0] ? environ[0] : "empty"));
		break;
	default:
		_exit(1);
	}
	if (!told)
		_exit(1);
}

void toy_serve(int fd)
{
	static struct toy toy;
	struct helper_frame frame;
	struct span bytes;

	servant_init(&toy.servant, fd);
	if (!servant_ready(&toy.servant, "a toy"))
		_exit(1);
	while (servant_next(&toy.servant, &frame, &bytes)) {
		if (frame.kind == HELPER_ASK)
			toy_answer(&toy, frame.id, bytes);
		else if (frame.kind == HELPER_TELL)
			snprintf(toy.notes[frame.id % TOY_NOTES], sizeof toy.notes[0], "%.*s",
				(int)bytes.len, bytes.ptr);
		else
			toy.notes[frame.id % TOY_NOTES][0] = '\0';
	}
}
