/* run_document.h - is the input's document one that the server would take, and what does it say? */
#ifndef CLI_RUN_DOCUMENT_H
#define CLI_RUN_DOCUMENT_H
#include "batch/envelope.h"
#include "cli/run_input.h"

/* Reads input->envelope (`use` as in envelope_read); a document's items are told to the input. 0,
 * or the exit code: every fault was told. Checking a document takes no more than `memory_max`
 * bytes, or it is refused. */
int run_document_read(struct run_input *input, struct config *config, struct endpoint_use *use,
	size_t memory_max, struct envelope *ret_envelope);
#endif
