// cc: -m32
// A 32-bit program does all that a 64-bit one does.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64], cwd[PATH_MAX];
    HOLDS(sizeof(void *) == 4);
    int fd = T(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
    T(write(fd, "0123456789", 10));
    T(lseek(fd, 4, SEEK_SET));
    T(read(fd, buffer, 3));
    FSTAT(fd);
    STAT("a");
    LSTAT("none");
    T(ftruncate(fd, 5));
    T(close(fd));
    T(mkdir("d", 0755));
    T(rename("a", "d/b"));
    T(symlink("d/b", "l"));
    T(readlink("l", buffer, sizeof buffer));
    T(link("d/b", "h"));
    T(chmod("h", 0600));
    T(access("h", R_OK));
    T(chdir("d"));
    getcwd(cwd, sizeof cwd);
    printf("%s\n", cwd);
    show_names(".");
    show_names("..");
    show_file("../l");
    T(truncate("b", 2));
    struct timespec times[2] = {{5, 6}, {7, 8}};
    T(utimensat(AT_FDCWD, "b", times, 0));
    struct stat st;
    T(stat("b", &st));
    printf("mtime %ld.%ld\n", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    CHILD({ execl("/bin/cat", "cat", "b", NULL); });
    CHILD({ execl("/bin/sh", "sh", "-c", "cat b; exit 3", NULL); });
    T(execl("none", "none", NULL));
    T(unlink("b"));
    T(chdir(".."));
    T(rmdir("d"));
    T(open("d", O_RDONLY));
    return 0;
}
