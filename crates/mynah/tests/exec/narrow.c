// cc: -m32
// A 32-bit program that becomes another one: argv[1], with the rest of the arguments.
#include "tested.h"

int main(int argc, char **argv) {
    HOLDS(sizeof(void *) == 4);
    fflush(stdout);
    execv("/none", argv + 1);
    execv(argv[1], argv + 1);
    printf("%s: %s\n", argv[1], errno_name(errno));
    return 1;
}
