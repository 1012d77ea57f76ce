#include "words.h"

#include <ctype.h>

/* Longer words are cut into pieces of this many letters. */
enum { LONGEST = 63 };

/* The next word, in lower case. Returns its length, 0 at the end. */
static size_t next_word(FILE *in, char word[LONGEST + 1])
{
    size_t length = 0;
    int c;
    while (length < LONGEST && (c = getc(in)) != EOF) {
        if (isascii(c) && isalpha(c))
            word[length++] = (char)tolower(c);
        else if (length > 0)
            break;
    }
    word[length] = '\0';
    return length;
}

int words_count(FILE *in, const struct table *skip, struct table *into)
{
    char word[LONGEST + 1];
    while (next_word(in, word) > 0)
        if (table_count(skip, word) == 0 && table_add(into, word, 1) != 0)
            return -1;
    return ferror(in) ? -1 : 0;
}
