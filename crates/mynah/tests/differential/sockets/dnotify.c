// F_NOTIFY: a signal for changes in a directory, or an error that says that there will be none.
#include "tested.h"

static volatile int notices;
static void notice(int signal) {
    (void)signal;
    notices++;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    struct sigaction action = {.sa_handler = notice};
    sigaction(SIGRTMIN, &action, NULL);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    T(fcntl(fd, F_SETSIG, SIGRTMIN));
    int set = T(fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT)) == 0;
    put("d/new", "x");
    unlink("d/new");
    HOLDS(notices == (set ? 2 : 0));
    put("f", "x");
    int file = open("f", O_RDONLY);
    T(fcntl(file, F_GETFD));
    T(fcntl(file, F_NOTIFY, DN_CREATE));
    OK(fcntl(99, F_NOTIFY, DN_CREATE));
    // A directory of this machine's is watched whatever the other one is.
    char elsewhere[] = "/tmp/mynah-notify-XXXXXX";
    char name[64];
    HOLDS(mkdtemp(elsewhere) != NULL);
    fd = open(elsewhere, O_RDONLY | O_DIRECTORY);
    T(fcntl(fd, F_NOTIFY, DN_CREATE));
    snprintf(name, sizeof name, "%s/new", elsewhere);
    notices = 0;
    signal(SIGIO, notice);
    put(name, "x");
    HOLDS(notices == 1);
    unlink(name);
    rmdir(elsewhere);
    return 0;
}
