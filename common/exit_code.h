/* exit_code.h - how the program ends. cli/command.def tells people of it. */
#ifndef COMMON_EXIT_CODE_H
#define COMMON_EXIT_CODE_H

enum exit_code {
	EXIT_CLEAN = 0,
	EXIT_ITEMS_FAILED = 1, /* it ran, and items failed, or would have */
	EXIT_USAGE = 2,        /* wrong usage, configuration or input: nothing was started */
	EXIT_FAILED = 3,       /* at run time */
	EXIT_BY_SIGNAL = 128   /* and the signal's number */
};
#endif
