/* Telling what was counted. */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "table.h"

/* Prints the `most` commonest words, the commonest first, equal ones by the alphabet. Returns 0 or -1. */
int report(FILE *out, const struct table *table, size_t most);

#endif
