// What a listing says of type and inode is what stat says.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("dir", 0755);
    put("file", "x");
    link("file", "hard");
    symlink("file", "link");
    mkfifo("fifo", 0600);
    mkdir("dir/below", 0755);
    for (int round = 0; round < 2; round++) {
        DIR *directory = opendir(round ? "dir" : ".");
        struct dirent *entry;
        int wrong_inode = 0, wrong_type = 0, known = 0, count = 0;
        while ((entry = readdir(directory))) {
            struct stat st;
            count++;
            if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
                printf("%s: %s\n", entry->d_name, errno_name(errno));
                continue;
            }
            wrong_inode += st.st_ino != entry->d_ino;
            known += entry->d_type != DT_UNKNOWN;
            wrong_type += entry->d_type != DT_UNKNOWN && DTTOIF(entry->d_type) != (st.st_mode & S_IFMT);
        }
        printf("%d entries, types told %d, wrong types %d, wrong inodes %d\n", count, known, wrong_type, wrong_inode);
        closedir(directory);
    }
    struct stat file, hard, link;
    stat("file", &file);
    stat("hard", &hard);
    lstat("link", &link);
    HOLDS(file.st_ino == hard.st_ino);
    HOLDS(file.st_ino != link.st_ino);
    // Inode numbers are kept over a rename and differ from those of others.
    rename("file", "renamed");
    struct stat renamed;
    stat("renamed", &renamed);
    HOLDS(file.st_ino == renamed.st_ino);
    struct stat dir, below, up, dot;
    stat("dir", &dir);
    stat("dir/below", &below);
    stat("dir/below/..", &up);
    stat("dir/.", &dot);
    HOLDS(dir.st_ino == up.st_ino && dir.st_ino == dot.st_ino && dir.st_ino != below.st_ino);
    HOLDS(dir.st_dev == below.st_dev);
    return 0;
}
