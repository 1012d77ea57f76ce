#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void table_init(struct table *table)
{
    memset(table, 0, sizeof *table);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->capacity; i++)
        free(table->slots[i].word);
    free(table->slots);
    table_init(table);
}

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *word)
{
    uint32_t h = 2166136261u;
    for (; *word; word++)
        h = (h ^ (unsigned char)*word) * 16777619u;
    return h;
}

/* The slot that has the word, or the free one where it belongs. */
static struct entry *find(struct entry *slots, size_t capacity, const char *word)
{
    size_t i = hash(word) & (capacity - 1);
    while (slots[i].word && strcmp(slots[i].word, word) != 0)
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static int grow(struct table *table)
{
    size_t capacity = table->capacity ? 2 * table->capacity : FIRST_CAPACITY;
    struct entry *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].word)
            *find(slots, capacity, table->slots[i].word) = table->slots[i];
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return 0;
}

int table_add(struct table *table, const char *word, unsigned long by)
{
    if (2 * (table->used + 1) > table->capacity && grow(table) != 0)
        return -1;
    struct entry *entry = find(table->slots, table->capacity, word);
    if (!entry->word) {
        entry->word = malloc(strlen(word) + 1);
        if (!entry->word)
            return -1;
        strcpy(entry->word, word);
        table->used++;
    }
    entry->count += by;
    return 0;
}

unsigned long table_count(const struct table *table, const char *word)
{
    if (table->capacity == 0)
        return 0;
    return find(table->slots, table->capacity, word)->count;
}
