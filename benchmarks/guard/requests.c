// What the program under callgrind asks of it; called from Python by way of ctypes.
#include <valgrind/callgrind.h>

int is_under_valgrind(void) { return RUNNING_ON_VALGRIND; }

void start(void) { CALLGRIND_START_INSTRUMENTATION; }

void zero(void) { CALLGRIND_ZERO_STATS; }

// Writes what was counted since zero() to a file of its own, with `name` in it.
void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
