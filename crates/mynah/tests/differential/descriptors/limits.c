// Opens at the limit of open descriptors: with two free numbers, with one, with none; holes are filled from below.
#include "tested.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    int first = T(open("a", O_RDONLY));
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = first + 4;
    T(setrlimit(RLIMIT_NOFILE, &limit));
    T(open("a", O_RDONLY));
    T(open("a", O_RDONLY | O_CLOEXEC));
    int last = T(open("a", O_RDWR));
    T(open("a", O_RDONLY));
    T(fcntl(last, F_GETFD));
    T(close(first + 1));
    T(open("a", O_WRONLY | O_CLOEXEC));
    T(fcntl(first + 1, F_GETFD));
    T(open(".", O_RDONLY | O_DIRECTORY));
    T(close(first));
    T(open(".", O_RDONLY | O_DIRECTORY));
    T(close(last));
    T(mkfifo("p", 0600));
    T(open("p", O_RDONLY | O_NONBLOCK));
    T(open("p", O_RDONLY | O_NONBLOCK));
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    HOLDS(now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max);
    return 0;
}
