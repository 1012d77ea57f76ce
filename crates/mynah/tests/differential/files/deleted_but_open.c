// A file that is deleted, replaced or renamed while it is open lives on behind its descriptors.
#include "tested.h"
#include <sys/xattr.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64];
    put("a", "the old file");
    int fd = T(open("a", O_RDWR));
    T(unlink("a"));
    FSTAT(fd);
    STAT("a");
    T(read(fd, buffer, 64));
    show_bytes("read", buffer, 12);
    T(write(fd, ", longer", 8));
    T(pread(fd, buffer, 64, 0));
    show_bytes("read", buffer, 20);
    T(ftruncate(fd, 3));
    FSTAT(fd);
    put("a", "the new file");
    T(pread(fd, buffer, 64, 0));
    show_file("a");
    T(fchmod(fd, 0600));
    FSTAT(fd);
    STAT("a");
    T(close(fd));

    // The attributes of one file are never taken for those of another that has its name by now.
    put("x", "one");
    T(setxattr("x", "user.of", "one", 3, 0));
    fd = T(open("x", O_RDONLY));
    T(unlink("x"));
    put("x", "another");
    T(setxattr("x", "user.of", "other", 5, 0));
    T(fgetxattr(fd, "user.of", buffer, 64));
    T(fremovexattr(fd, "user.of"));
    T(getxattr("x", "user.of", buffer, 64));
    T(close(fd));
    unlink("x");

    put("b", "renamed");
    fd = T(open("b", O_RDWR | O_APPEND));
    T(rename("b", "c"));
    T(write(fd, " while open", 11));
    FSTAT(fd);
    STAT("c");
    show_file("c");
    put("b", "another b");
    T(write(fd, "!", 1));
    T(close(fd));
    show_file("c");
    show_file("b");

    put("victim", "replaced");
    put("winner", "replacement");
    fd = T(open("victim", O_RDWR));
    int win = T(open("winner", O_RDWR));
    T(rename("winner", "victim"));
    T(pread(fd, buffer, 64, 0));
    show_bytes("read", buffer, 8);
    FSTAT(fd);
    FSTAT(win);
    T(pwrite(win, "R", 1, 0));
    T(pwrite(fd, "X", 1, 0));
    T(close(win));
    T(close(fd));
    show_file("victim");

    // Written, deleted before the close: nothing comes back.
    fd = T(open("ghost", O_RDWR | O_CREAT, 0644));
    T(write(fd, "boo", 3));
    T(unlink("ghost"));
    T(close(fd));
    STAT("ghost");
    // The same through a child that holds it.
    fd = T(open("ghost", O_RDWR | O_CREAT, 0644));
    struct event gone = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        wait_event(&gone);
        _exit(write(fd, "boo", 3) == 3 ? 0 : 1);
    }
    T(unlink("ghost"));
    T(close(fd));
    tell_event(&gone);
    wait_for(pid);
    STAT("ghost");
    mkdir("d", 0755);
    put("d/x", "inside");
    fd = T(open("d/x", O_RDWR));
    T(rename("d", "e"));
    T(pwrite(fd, "I", 1, 0));
    T(close(fd));
    show_file("e/x");
    show_names(".");
    return 0;
}
