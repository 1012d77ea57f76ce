#include "report.h"

#include <stdlib.h>
#include <string.h>

static int by_count_then_word(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

int report(FILE *out, const struct table *table, size_t most)
{
    struct entry *sorted = malloc((table->used + 1) * sizeof *sorted);
    if (!sorted)
        return -1;
    size_t n = 0;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].word)
            sorted[n++] = table->slots[i];
    qsort(sorted, n, sizeof *sorted, by_count_then_word);
    for (size_t i = 0; i < n && i < most; i++)
        fprintf(out, "%6lu  %s\n", sorted[i].count, sorted[i].word);
    free(sorted);
    return ferror(out) ? -1 : 0;
}
