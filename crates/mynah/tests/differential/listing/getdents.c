// getdents64 itself, readdir, rewinddir, telldir, seekdir; big directories; changes while reading.
#include "tested.h"

static int count_names(DIR *directory) {
    int count = 0;
    while (readdir(directory))
        count++;
    return count;
}

struct entry64 {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

int main(int argc, char **argv) {
    begin(argc, argv);
    char name[256], buffer[4096];
    show_names(".");
    mkdir("d", 0755);
    put("f", "");
    symlink("f", "l");
    mkfifo("p", 0600);
    show_names(".");
    show_names("d");
    mkdir("big", 0755);
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "big/a-rather-long-name-of-an-entry-%04d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        close(fd);
    }
    DIR *big = opendir("big");
    printf("entries: %d\n", count_names(big));
    rewinddir(big);
    printf("again: %d\n", count_names(big));
    rewinddir(big);
    for (int i = 0; i < 700; i++)
        readdir(big);
    long middle = telldir(big);
    struct dirent *at = readdir(big);
    snprintf(name, sizeof name, "%s", at->d_name);
    int rest = count_names(big);
    printf("after the 701st: %d\n", rest);
    seekdir(big, middle);
    at = readdir(big);
    HOLDS(at && !strcmp(at->d_name, name));
    printf("after seekdir: %d\n", count_names(big));
    closedir(big);

    // Removing all that is read, as rm -r does.
    big = opendir("big");
    struct dirent *entry;
    int removed = 0;
    while ((entry = readdir(big)))
        if (entry->d_name[0] != '.' && unlinkat(dirfd(big), entry->d_name, 0) == 0)
            removed++;
    printf("removed: %d\n", removed);
    rewinddir(big);
    printf("left: %d\n", count_names(big));
    closedir(big);
    T(rmdir("big"));

    // The raw call: small buffers, wrong descriptors, the offset.
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    T(syscall(SYS_getdents64, fd, buffer, 1));
    T(syscall(SYS_getdents64, fd, buffer, 24));
    long total = 0, length, entries = 0;
    while ((length = syscall(SYS_getdents64, fd, buffer, 100)) > 0) {
        total += length;
        for (long i = 0; i < length;) {
            struct entry64 *e = (struct entry64 *)(buffer + i);
            entries++;
            i += e->reclen;
            if (i > length)
                printf("record runs over the end\n");
        }
    }
    printf("bytes %ld entries %ld\n", total, entries);
    T(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
    T(lseek(fd, 0, SEEK_SET));
    HOLDS(syscall(SYS_getdents64, fd, buffer, sizeof buffer) == total);
    T(lseek(fd, 0, SEEK_SET));
    int copy = dup(fd);
    HOLDS(syscall(SYS_getdents64, copy, buffer, 100) > 0);
    HOLDS(syscall(SYS_getdents64, fd, buffer, sizeof buffer) < total);
    T(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
    T(syscall(SYS_getdents64, copy, buffer, sizeof buffer));
    int file = open("f", O_RDONLY);
    T(syscall(SYS_getdents64, file, buffer, sizeof buffer));
    T(syscall(SYS_getdents64, 99, buffer, sizeof buffer));
    T(syscall(SYS_getdents64, open(".", O_PATH), buffer, sizeof buffer));
    // New entries show after a rewind.
    DIR *directory = opendir(".");
    int before = count_names(directory);
    put("later", "");
    rewinddir(directory);
    HOLDS(count_names(directory) == before + 1);
    unlink("later");
    rewinddir(directory);
    HOLDS(count_names(directory) == before);
    closedir(directory);
    // A directory that is gone lists nothing.
    fd = open("d", O_RDONLY | O_DIRECTORY);
    T(rmdir("d"));
    T(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
    T(opendir("d") != NULL);
    T(opendir("f") != NULL);
    // A parent and its child read through one description: each entry once.
    fd = open(".", O_RDONLY | O_DIRECTORY);
    struct stat st;
    fstat(fd, &st);
    HOLDS(S_ISDIR(st.st_mode));
    return 0;
}
