// Leases, directory notification, owners and signals of descriptors: fcntl's lesser commands.
#include "tested.h"

static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal; signals++; }

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    mkdir("d", 0755);
    int fd = T(open("a", O_RDONLY)), both = -1, d = open("d", O_RDONLY);
    T(fcntl(fd, F_GETLEASE));
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    T(fcntl(fd, F_GETLEASE));
    T(fcntl(fd, F_SETLEASE, F_UNLCK));
    T(fcntl(fd, F_GETLEASE));
    T(fcntl(fd, F_SETLEASE, 99));
    both = T(open("a", O_RDWR));
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    close(fd);
    T(fcntl(both, F_SETLEASE, F_WRLCK));
    T(fcntl(both, F_GETLEASE));
    T(fcntl(both, F_SETLEASE, F_UNLCK));
    T(fcntl(d, F_SETLEASE, F_RDLCK));
    HOLDS(fcntl(both, F_GETOWN) == 0);
    T(fcntl(both, F_SETOWN, getpid()));
    HOLDS(fcntl(both, F_GETOWN) == getpid());
    T(fcntl(both, F_GETSIG));
    T(fcntl(both, F_SETSIG, SIGUSR1));
    HOLDS(fcntl(both, F_GETSIG) == SIGUSR1);
    T(fcntl(both, F_GETFD));
    T(fcntl(both, F_SETFD, FD_CLOEXEC));
    T(fcntl(both, F_GETFD));
    T(fcntl(both, F_SETFL, O_APPEND | O_NONBLOCK));
    HOLDS((fcntl(both, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE)) == (O_APPEND | O_NONBLOCK | O_RDWR));
    T(fcntl(both, F_ADD_SEALS, F_SEAL_WRITE));
    T(fcntl(both, F_GET_SEALS));
    T(fcntl(both, F_GETPIPE_SZ));
    T(fcntl(both, F_DUPFD, 20));
    T(fcntl(both, F_DUPFD_CLOEXEC, 20));
    T(fcntl(both, 9999));
    T(fcntl(99, F_GETFL));
    // A lease that is broken by another who opens the file.
    close(20), close(21), close(both);
    signal(SIGIO, count);
    fd = open("a", O_RDONLY);
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    T(open("a", O_WRONLY | O_NONBLOCK));
    HOLDS(signals == 1);
    T(fcntl(fd, F_SETLEASE, F_UNLCK));
    T(open("a", O_WRONLY | O_NONBLOCK));
    return 0;
}
