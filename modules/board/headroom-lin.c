/*
 * The native half of headroom.ts on a desk, where neither memory nor stacks have a bound that a board has.
 */
#include "xsmc.h"
#include "xsHost.h"

void xs_board_headroom(xsMachine *the)
{
	xsmcSetString(xsResult, "memory: a desk has no bound");
}
