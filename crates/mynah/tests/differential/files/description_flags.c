// What F_GETFL and F_GETFD show of every flag that open was given, of a file, a directory and a new file; what O_DIRECT asks for.
#include "tested.h"

static void show_flags(int fd) {
    if (fd < 0) {
        printf("%s\n", errno_name(errno));
        return;
    }
    printf("%o %o\n", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
    close(fd);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    static const int flags[] = {
        O_RDONLY, O_WRONLY, O_RDWR, O_APPEND | O_WRONLY, O_SYNC, O_DSYNC | O_RDWR, O_NONBLOCK, O_NOATIME, O_DIRECT, O_LARGEFILE, O_ASYNC,
        O_NOCTTY, O_CLOEXEC, O_RDWR | O_DIRECT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_DIRECTORY | O_NOFOLLOW, O_PATH | O_CLOEXEC,
        O_PATH | O_RDWR | O_TRUNC, O_PATH | O_CREAT, O_RDONLY | O_TRUNC, O_ACCMODE, O_ACCMODE | O_APPEND, O_TMPFILE | O_RDONLY,
        O_TMPFILE | O_CREAT | O_RDWR, 0x40000000, -1, O_DIRECTORY | O_CREAT, O_DIRECTORY | O_CREAT | O_EXCL, O_CREAT | O_DIRECT,
    };
    put("f", "text"), mkdir("d", 0755);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        printf("%o, file: ", flags[i]), show_flags(open("f", flags[i], 0644));
        printf("%o, directory: ", flags[i]), show_flags(open("d", flags[i], 0644));
        printf("%o, new: ", flags[i]), show_flags(open("new", flags[i] | O_CREAT, 0644));
        unlink("new");
    }
    T(open("none/x", O_CREAT | O_DIRECTORY, 0644));
    T(open("none/x", O_TMPFILE | O_RDONLY, 0644));
    // Memory, length and place have to be multiples of a block.
    char *block;
    if (posix_memalign((void **)&block, 4096, 8192))
        return 1;
    memset(block, 'x', 8192);
    int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0644);
    T(write(fd, block, 4096));
    T(write(fd, block + 1, 4096));
    T(write(fd, block, 100));
    T(pread(fd, block, 4096, 0));
    T(pread(fd, block + 1, 4096, 0));
    T(pread(fd, block, 100, 0));
    T(pread(fd, block, 4096, 1));
    T(pread(fd, block, 4096, 4096));
    T(fcntl(fd, F_SETFL, 0));
    T(write(fd, block, 100));
    T(close(fd));
    STAT("direct");
    return 0;
}
