/* A table that counts words. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

struct entry {
    char *word;
    unsigned long count;
};

struct table {
    struct entry *slots;  /* capacity of them; a free one has no word */
    size_t capacity;      /* a power of two */
    size_t used;
};

void table_init(struct table *table);
void table_free(struct table *table);

/* Adds `by` to the count of `word`, which is copied. Returns 0, or -1 when memory is short. */
int table_add(struct table *table, const char *word, unsigned long by);

/* The count of `word`; 0 if it is not there. */
unsigned long table_count(const struct table *table, const char *word);

#endif
