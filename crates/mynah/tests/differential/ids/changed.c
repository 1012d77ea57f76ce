// What a program of root's may do after it has changed its ids: by modes, owners and groups, as on any file system.
#include "tested.h"
#include <grp.h>
#include <sys/sysmacros.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

enum { ANN = 1234, BOB = 1235, TEAM = 2000, CLUB = 2001 };

static void become(uid_t uid, gid_t gid, int count, const gid_t *groups) {
    if (setgroups(count, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        exit(7);
}

// As this user in a child, who is in TEAM if asked for.
#define AS(user, ...) CHILD({ gid_t team[] = {TEAM}; become(user, user, 0, team); __VA_ARGS__; })
#define AS_TEAM(user, ...) CHILD({ gid_t team[] = {TEAM}; become(user, user, 1, team); __VA_ARGS__; })

static void whose(const char *path) {
    struct stat st;
    if (lstat(path, &st))
        printf("%s: %s\n", path, errno_name(errno));
    else
        printf("%s: %s %04o %d:%d\n", path, kind_name(st.st_mode), st.st_mode & 07777, st.st_uid, st.st_gid);
}

static void own(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    if (lchown(path, uid, gid) || chmod(path, mode))
        exit(8);
}

static void make_file(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    put(path, "text");
    own(path, uid, gid, mode);
}

static void make_dir(const char *path, uid_t uid, gid_t gid, mode_t mode) {
    if (mkdir(path, 0755))
        exit(9);
    own(path, uid, gid, mode);
}

static void opening(void) {
    printf("-- opening\n");
    make_file("file", ANN, TEAM, 0640);
    make_file("write-only", ANN, TEAM, 0222);
    make_file("nobody's", ANN, TEAM, 0);
    make_file("others", ANN, TEAM, 0604);
    AS(ANN, {
        OK(open("file", O_RDWR));
        OK(open("nobody's", O_RDONLY));
        OK(open("write-only", O_RDONLY));
        OK(open("write-only", O_WRONLY));
        OK(open("file", O_RDONLY | O_NOATIME));
    });
    AS_TEAM(BOB, {
        OK(open("file", O_RDONLY));
        OK(open("file", O_WRONLY));
        OK(open("file", O_RDONLY | O_TRUNC));
        OK(open("file", O_RDONLY | O_NOATIME));
        OK(open("others", O_RDONLY));
    });
    AS(BOB, {
        OK(open("file", O_RDONLY));
        OK(open("others", O_RDONLY));
        OK(open("others", O_RDWR));
        OK(open("write-only", O_WRONLY | O_TRUNC));
        OK(open("file", O_RDONLY | O_CREAT, 0644));
        OK(open("file", O_RDONLY | O_CREAT | O_EXCL, 0644));
        OK(open("absent", O_RDONLY));
        OK(open("file", O_PATH));
        OK(truncate("file", 0));
        OK(truncate("others", 0));
        OK(truncate("write-only", 2));
    });
    whose("file");
}

static void making(void) {
    printf("-- making\n");
    make_dir("open", 0, 0, 0777);
    make_dir("closed", 0, 0, 0755);
    make_dir("shared", 0, CLUB, 02777);
    AS_TEAM(ANN, {
        umask(027);
        OK(open("open/file", O_WRONLY | O_CREAT, 0666));
        OK(open("open/exclusive", O_WRONLY | O_CREAT | O_EXCL, 06755));
        OK(open("open/read-only", O_RDWR | O_CREAT, 0444));
        OK(open("open/read-only", O_RDWR | O_CREAT, 0444));
        OK(mkdir("open/dir", 0777));
        OK(mkfifo("open/fifo", 0666));
        OK(mknod("open/node", S_IFREG | 04755, 0));
        OK(mknod("open/device", S_IFCHR | 0666, makedev(1, 3)));
        OK(symlink("nowhere", "open/link"));
        OK(link("open/file", "open/again"));
        int fd = open("open", O_TMPFILE | O_RDWR, 0640);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        OK(linkat(AT_FDCWD, path, AT_FDCWD, "open/named", AT_SYMLINK_FOLLOW));
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "open/socket"};
        OK(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address));
        strcpy(address.sun_path, "closed/socket");
        OK(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address));
        OK(open("closed/file", O_WRONLY | O_CREAT, 0666));
        OK(mkdir("closed/dir", 0777));
        OK(mkdir("closed", 0777));
        OK(mkfifo("closed/fifo", 0666));
        OK(mknod("closed/device", S_IFCHR | 0666, makedev(1, 3)));
        OK(symlink("nowhere", "closed/link"));
        OK(link("open/file", "closed/again"));
        OK(open("closed", O_TMPFILE | O_RDWR, 0640));
        umask(0);
        OK(open("shared/file", O_WRONLY | O_CREAT, 02755));
        OK(open("shared/plain", O_WRONLY | O_CREAT, 02644));
        OK(mkdir("shared/dir", 0755));
        OK(symlink("nowhere", "shared/link"));
    });
    const char *made[] = {"file", "exclusive", "read-only", "dir", "fifo", "node", "link", "again", "named", "socket"};
    for (unsigned i = 0; i < sizeof made / sizeof *made; i++) {
        char path[64];
        snprintf(path, sizeof path, "open/%s", made[i]);
        whose(path);
    }
    whose("shared/file"), whose("shared/plain"), whose("shared/dir"), whose("shared/link");
    show_names("closed");
}

static void passing(void) {
    printf("-- passing\n");
    make_dir("way", 0, 0, 0711);
    make_dir("way/team", 0, TEAM, 0710);
    make_dir("way/listed", 0, 0, 0744);
    put("way/team/file", "inside");
    put("way/listed/file", "inside");
    symlink("way/team/file", "to-file");
    chmod("way/team/file", 0644);
    AS_TEAM(BOB, {
        show_file("way/team/file");
        show_file("to-file");
        OK(open("way", O_RDONLY));
        show_names("way/team");
        OK(chdir("way/team"));
        show_file("file");
        OK(chdir(".."));
        OK(open("way", O_RDONLY));
        OK(chdir("listed"));
    });
    AS(BOB, {
        struct stat st;
        OK(stat("way/team/file", &st));
        OK(stat("way/team", &st));
        OK(stat("way/team/", &st));
        OK(stat("way/team/.", &st));
        OK(stat("way/team/..", &st));
        OK(stat("way/team/absent", &st));
        OK(open("to-file", O_RDONLY));
        OK(readlink("way/team/file", (char[8]){0}, 8));
        OK(open("way/team/new", O_WRONLY | O_CREAT, 0644));
        OK(unlink("way/team/file"));
        OK(rename("way/team/file", "way/moved"));
        OK(access("way/team/file", F_OK));
        OK(chdir("way/team"));
        OK(execl("way/team/file", "file", NULL));
        show_names("way/listed");
        OK(stat("way/listed/file", &st));
        OK(stat("way/listed/absent", &st));
        OK(open("way/listed/file", O_RDONLY));
        int fd = open("way/listed", O_RDONLY | O_DIRECTORY);
        OK(fstatat(fd, "file", &st, 0));
        OK(fchdir(fd));
    });
    int inside = open("way/team", O_RDONLY | O_DIRECTORY);
    AS(BOB, {
        struct stat st;
        OK(fstatat(inside, "file", &st, 0));
        OK(fstatat(inside, "", &st, AT_EMPTY_PATH));
        OK(fchdir(inside));
    });
    close(inside);
    // Whoever stands in a directory looks names up in it by what he may now.
    chdir("way/team");
    AS(BOB, {
        struct stat st;
        OK(stat("file", &st));
        OK(stat(".", &st));
        OK(stat("..", &st));
        OK(open("new", O_WRONLY | O_CREAT, 0644));
    });
    chdir(W);
}

static void removing(void) {
    printf("-- removing and renaming\n");
    make_dir("sticky", 0, 0, 01777);
    make_dir("free", 0, 0, 0777);
    make_dir("fixed", 0, 0, 0755);
    make_file("sticky/ann", ANN, ANN, 0644);
    make_file("sticky/bob", BOB, BOB, 0666);
    make_dir("sticky/bobs", BOB, BOB, 0777);
    make_file("free/bob", BOB, BOB, 0600);
    make_dir("free/bobs", BOB, BOB, 0755);
    make_dir("free/anns", ANN, ANN, 0755);
    make_file("fixed/ann", ANN, ANN, 0666);
    make_dir("fixed/anns", ANN, ANN, 0777);
    AS(ANN, {
        OK(unlink("sticky/bob"));
        OK(unlink("sticky/absent"));
        OK(unlink("sticky/bobs"));
        OK(rmdir("sticky/bobs"));
        OK(rename("sticky/bob", "free/taken"));
        OK(rename("free/bob", "sticky/bob"));
        OK(rename("sticky/ann", "sticky/anne"));
        OK(link("sticky/anne", "sticky/ann"));
        OK(rename("sticky/ann", "sticky/anne"));
        OK(unlink("fixed/ann"));
        OK(rmdir("fixed/ann"));
        OK(unlink("fixed/anns"));
        OK(rmdir("fixed/anns"));
        OK(rename("fixed/ann", "free/ann"));
        OK(rename("free/bob", "fixed/bob"));
        OK(rename("fixed/absent", "free/absent"));
        OK(link("free/bob", "fixed/bob"));
        OK(rename("free/bob", "free/bobby"));
        OK(unlink("free/bobby"));
        // A directory that moves gets another `..`.
        OK(rename("free/bobs", "free/bobbies"));
        OK(rename("free/bobbies", "sticky/bobbies"));
        OK(rename("free/anns", "sticky/anns"));
        OK(renameat2(AT_FDCWD, "sticky/anne", AT_FDCWD, "sticky/bob", RENAME_EXCHANGE));
        OK(renameat2(AT_FDCWD, "free/bobbies", AT_FDCWD, "sticky/anns", RENAME_EXCHANGE));
        OK(renameat2(AT_FDCWD, "sticky/anne", AT_FDCWD, "sticky/bob", RENAME_NOREPLACE));
        OK(rmdir("free/bobbies"));
    });
    show_names("sticky"), show_names("free"), show_names("fixed");
}

static void changing(void) {
    printf("-- changing\n");
    make_file("mine", ANN, ANN, 0644);
    make_file("ours", BOB, TEAM, 0664);
    make_file("clubs", ANN, CLUB, 0644);
    make_dir("mines", ANN, CLUB, 0755);
    make_file("trusted", ANN, ANN, 0644);
    OK(setxattr("trusted", "trusted.a", "b", 1, 0));
    OK(setxattr("trusted", "user.a", "b", 1, 0));
    AS_TEAM(ANN, {
        OK(chmod("mine", 06755));
        whose("mine");
        OK(chmod("ours", 0600));
        OK(chmod("clubs", 02755));
        whose("clubs");
        OK(chmod("mines", 02755));
        whose("mines");
        OK(chown("mine", BOB, -1));
        OK(chown("mine", ANN, -1));
        OK(chown("mine", -1, TEAM));
        whose("mine");
        OK(chown("mine", -1, CLUB));
        OK(chown("mine", 0, 0));
        OK(chown("clubs", ANN, CLUB));
        OK(chown("ours", -1, TEAM));
        OK(chown("ours", -1, -1));
        OK(lchown("to-file", ANN, -1));
        OK(utimensat(AT_FDCWD, "mine", (struct timespec[]){{1, 2}, {3, 4}}, 0));
        OK(utimensat(AT_FDCWD, "ours", (struct timespec[]){{1, 2}, {3, 4}}, 0));
        OK(utimensat(AT_FDCWD, "ours", NULL, 0));
        OK(utimensat(AT_FDCWD, "ours", (struct timespec[]){{0, UTIME_NOW}, {0, UTIME_NOW}}, 0));
        OK(utimensat(AT_FDCWD, "ours", (struct timespec[]){{0, UTIME_NOW}, {0, UTIME_OMIT}}, 0));
        OK(utimensat(AT_FDCWD, "ours", (struct timespec[]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}, 0));
        int fd = open("ours", O_RDWR);
        OK(fchmod(fd, 0600));
        OK(fchown(fd, ANN, -1));
        OK(futimens(fd, (struct timespec[]){{1, 2}, {3, 4}}));
        OK(futimens(fd, NULL));
        OK(fsetxattr(fd, "user.a", "b", 1, 0));
        OK(setxattr("ours", "user.b", "c", 1, 0));
        OK(setxattr("ours", "trusted.b", "c", 1, 0));
    });
    AS(BOB + 1, {
        OK(getxattr("ours", "user.a", (char[8]){0}, 8));
        OK(setxattr("ours", "user.a", "x", 1, 0));
        OK(removexattr("ours", "user.a"));
        OK(getxattr("ours", "trusted.b", (char[8]){0}, 8));
        OK(getxattr("file", "user.a", (char[8]){0}, 8));
        char names[64];
        OK(listxattr("trusted", names, sizeof names));
        show_bytes("names", names, listxattr("trusted", names, sizeof names));
        OK(utimensat(AT_FDCWD, "ours", NULL, 0));
        OK(chmod("ours", 0666));
        OK(chmod("absent", 0666));
        OK(chown("ours", -1, -1));
        OK(chown("ours", BOB + 1, -1));
    });
    whose("mine"), whose("ours");
}

static void shedding(void) {
    printf("-- set-id bits\n");
    make_file("bits", ANN, TEAM, 06777);
    AS(BOB, {
        int fd = open("bits", O_WRONLY);
        whose("bits");
        OK(write(fd, "x", 1));
        whose("bits");
        OK(close(fd));
    });
    whose("bits");
    own("bits", ANN, TEAM, 06777);
    AS(BOB, { OK(truncate("bits", 1)); });
    whose("bits");
    own("bits", ANN, TEAM, 06777);
    AS(BOB, { OK(open("bits", O_WRONLY | O_TRUNC)); });
    whose("bits");
    own("bits", ANN, TEAM, 06777);
    AS(ANN, { OK(chown("bits", -1, ANN)); });
    whose("bits");
    own("bits", ANN, ANN, 06777);
    AS(ANN, { OK(chown("bits", -1, -1)); });
    whose("bits");
}

static void asking(void) {
    printf("-- access\n");
    make_file("run", ANN, TEAM, 0750);
    make_file("not-run", ANN, TEAM, 0644);
    AS(BOB, {
        OK(access("run", F_OK));
        OK(access("run", R_OK));
        OK(access("not-run", R_OK));
        OK(access("not-run", W_OK));
        OK(access("closed", W_OK));
        OK(access("open", W_OK | X_OK));
        OK(execl("run", "run", NULL));
    });
    CHILD({
        // Real ids are asked for, unless told otherwise.
        setegid(BOB);
        seteuid(BOB);
        OK(access("run", R_OK));
        OK(access("not-run", W_OK));
        OK(access("not-run", X_OK));
        OK(access("way/team/file", R_OK));
        OK(faccessat(AT_FDCWD, "run", R_OK, AT_EACCESS));
        OK(faccessat(AT_FDCWD, "not-run", W_OK, AT_EACCESS));
        OK(open("run", O_RDONLY));
        seteuid(0);
        OK(open("run", O_RDONLY));
    });
    CHILD({
        setgroups(0, NULL);
        setresgid(BOB, 0, 0);
        setresuid(BOB, 0, 0);
        OK(access("run", R_OK));
        OK(access("way/team/file", F_OK));
        OK(open("run", O_RDONLY));
        OK(faccessat(AT_FDCWD, "run", R_OK, AT_EACCESS));
    });
}

static void sockets(void) {
    printf("-- sockets\n");
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    OK(bind(listening, (void *)&address, sizeof address));
    OK(listen(listening, 4));
    own("socket", ANN, TEAM, 0770);
    AS(BOB, { OK(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address)); });
    AS_TEAM(BOB, { OK(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address)); });
    close(listening);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (geteuid() != 0) {
        T(setuid(0));
        T(seteuid(geteuid()));
        put("a", "one's own");
        show_file("a");
        return 0;
    }
    chmod(".", 0755);
    opening();
    making();
    passing();
    removing();
    changing();
    shedding();
    asking();
    sockets();
    return 0;
}
