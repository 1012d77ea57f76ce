// Programs that live at low or unusual addresses, map over what is there, and leave hardly any address space.
#include "tested.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "x");
    mkdir("d", 0755);
    struct stat st;
    // The lowest that an ordinary user may map is 64 KiB at most.
    char *low = mmap((void *)0x10000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    HOLDS(low == (char *)0x10000);
    strcpy(low, "f");
    T(stat(low, (struct stat *)(low + 4096)));
    T(open(low, O_RDONLY));
    strcpy(low + 8190, "d");
    T(chdir(low + 8190));
    T(chdir(".."));
    // The highest that there is.
    char *high = mmap((void *)0x7fffffffe000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    HOLDS(high != MAP_FAILED);
    strcpy(high + 4094, "f");
    T(stat(high + 4094, &st));
    // A mapping of a file over one's own data, at an address of one's choice.
    int fd = open("f", O_RDWR);
    T(ftruncate(fd, 4096));
    HOLDS(mmap(low, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == low);
    strcpy(low, "stored");
    T(munmap(low, 8192));
    show_file("f");
    T(stat(low, &st));
    // No address space left: the calls need none of the program's.
    CHILD({
        struct rlimit none = {1 << 20, 1 << 20};
        T(setrlimit(RLIMIT_AS, &none));
        HOLDS(mmap(NULL, 1 << 21, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
        T(stat("f", &st));
        T(open("f", O_RDWR));
        T(chdir("d"));
        T(open("new", O_WRONLY | O_CREAT, 0644));
        T(write(5, "x", 1));
        T(close(5));
    });
    STAT("d/new");
    return 0;
}
