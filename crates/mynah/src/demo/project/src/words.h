/* Reading words from a stream. */
#ifndef WORDS_H
#define WORDS_H

#include <stdio.h>

#include "table.h"

/* Counts the words of `in` that are not in `skip`. Returns 0, or -1 with errno set. */
int words_count(FILE *in, const struct table *skip, struct table *into);

#endif
