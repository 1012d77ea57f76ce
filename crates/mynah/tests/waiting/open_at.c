// Opens a name and says what came of it; SIGUSR1 is handled, with SA_RESTART if the first argument says so.
#include "tested.h"

static volatile int caught;
static void handler(int signal) { caught = signal; }

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction action = {.sa_handler = handler, .sa_flags = strcmp(argv[1], "restart") ? 0 : SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    printf("ready\n");
    int fd = open(argv[2], O_RDONLY);
    printf("%s, handler %s\n", fd < 0 ? errno_name(errno) : "opened", caught ? "ran" : "did not run");
    return 0;
}
