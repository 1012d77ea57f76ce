// RLIMIT_NOFILE 64: everything works up to the last number, EMFILE follows, and freeing one is enough.
#include "tested.h"
#include <sys/resource.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    mkdir("d", 0755);
    struct rlimit limit = {64, 64};
    T(setrlimit(RLIMIT_NOFILE, &limit));
    int fd, last = -1, directories = 0;
    for (int i = 0; (fd = open(i % 8 == 0 ? "d" : "a", O_RDONLY)) >= 0; i++) {
        last = fd;
        directories += i % 8 == 0;
    }
    printf("last %d of them %d directories, then %s\n", last, directories, errno_name(errno));
    // Calls that need no number.
    struct stat st;
    char text[16];
    T(stat("a", &st));
    T(mkdir("made", 0755));
    T(rename("made", "moved"));
    T(rmdir("moved"));
    T(symlink("a", "l"));
    T(readlink("l", text, 16));
    T(chmod("a", 0600));
    T(truncate("a", 2));
    T(link("a", "b"));
    T(fchmod(last, 0640));
    T(pread(last, text, 16, 0));
    // Calls that need one.
    T(open("a", O_RDONLY));
    T(open("/etc/passwd", O_RDONLY));
    T(socket(AF_UNIX, SOCK_STREAM, 0));
    T(dup(0));
    // One that is free.
    T(close(40));
    T(open("b", O_RDWR));
    T(write(40, "written at the limit", 20));
    T(fsync(40));
    T(close(40));
    T(chdir("d"));
    T(chdir(".."));
    T(open("new", O_WRONLY | O_CREAT | O_EXCL, 0644));
    T(close(40));
    T(close(41));
    CHILD({ execl("/bin/sh", "sh", "-c", "cat b; ulimit -n", NULL); });
    show_file("b");
    show_names(".");
    return 0;
}
