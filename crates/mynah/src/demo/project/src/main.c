#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "table.h"
#include "words.h"

static const char usage[] = "usage: wordfreq [-n COUNT] [-s STOPWORDS] FILE...\n";

/* Counts the words of one file; without a name, of standard input. */
static void count_file(const char *name, const struct table *skip, struct table *into)
{
    FILE *in = name ? fopen(name, "r") : stdin;
    if (!in || words_count(in, skip, into) != 0) {
        perror(name ? name : "standard input");
        exit(1);
    }
    if (name)
        fclose(in);
}

int main(int argc, char **argv)
{
    struct table nothing, skip, words;
    size_t most = 10;
    int option;

    table_init(&nothing);
    table_init(&skip);
    table_init(&words);
    while ((option = getopt(argc, argv, "n:s:")) != -1) {
        switch (option) {
        case 'n':
            most = strtoul(optarg, NULL, 10);
            break;
        case 's':
            count_file(optarg, &nothing, &skip);
            break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind == argc)
        count_file(NULL, &skip, &words);
    for (int i = optind; i < argc; i++)
        count_file(argv[i], &skip, &words);
    if (report(stdout, &words, most) != 0) {
        perror("wordfreq");
        return 1;
    }
    table_free(&skip);
    table_free(&words);
    return 0;
}
