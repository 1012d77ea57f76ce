// Names of any bytes: not UTF-8, newlines, blanks, percent signs, dots, what a protocol might trip over.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    const char *names[] = {
        "\xff\xfe", "\x80", "latin\xe9", "utf-8-\xc3\xa9", "two words", " leading", "trailing ", "new\nline", "\n", "tab\there", "%41", "100%", "a%2Fb",
        "back\\slash", "quote\"s", "single'", "<angle>", "semi;colon", "dollar$HOME", "star*", "que?ry", "#hash", "~tilde", "{brace}", "...", "..a", ".__acl.not",
        "-rf", "a:b", "col,on", "\x01\x02\x03", "\x7f", "caf\xc3\xa9\xcc\x81", "CON", "a\rb", "=x", "&amp;", "|pipe", "a=b&c", "\xf0\x9f\x90\xa6",
    };
    int count = sizeof names / sizeof *names, failed = 0;
    for (int i = 0; i < count; i++) {
        int fd = open(names[i], O_RDWR | O_CREAT | O_EXCL, 0644);
        struct stat st;
        if (fd < 0 || write(fd, names[i], strlen(names[i])) < 0 || close(fd) || stat(names[i], &st) || st.st_size != (off_t)strlen(names[i])) {
            show_bytes(errno_name(errno), names[i], strlen(names[i]));
            failed++;
        }
    }
    printf("failed %d\n", failed);
    DIR *directory = opendir(".");
    struct dirent *entry;
    int seen = 0, strange = 0;
    while ((entry = readdir(directory))) {
        int known = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
        for (int i = 0; i < count; i++)
            known |= !strcmp(entry->d_name, names[i]);
        seen += known;
        if (!known) {
            strange++;
            show_bytes("strange", entry->d_name, strlen(entry->d_name));
        }
    }
    closedir(directory);
    printf("seen %d strange %d\n", seen - 2, strange);
    for (int i = 0; i < count; i++) {
        char back[64];
        int fd = open(names[i], O_RDONLY);
        ssize_t n = read(fd, back, sizeof back);
        close(fd);
        if (n != (ssize_t)strlen(names[i]) || memcmp(back, names[i], n))
            show_bytes("wrong content", names[i], strlen(names[i]));
        char moved[80], text[80];
        snprintf(moved, sizeof moved, "%s.moved", names[i]);
        if (rename(names[i], moved))
            show_bytes(errno_name(errno), names[i], strlen(names[i]));
        unlink("l");
        symlink(moved, "l");
        n = readlink("l", text, sizeof text);
        if (n != (ssize_t)strlen(moved) || memcmp(text, moved, n))
            show_bytes("wrong link", text, n);
        if (access("l", R_OK))
            show_bytes(errno_name(errno), moved, strlen(moved));
    }
    mkdir("dir\xff name\n", 0755);
    T(chdir("dir\xff name\n"));
    char cwd[PATH_MAX];
    getcwd(cwd, sizeof cwd);
    show_bytes("cwd", cwd + strlen(W), strlen(cwd) - strlen(W));
    T(access("../dir\xff name\n", X_OK));
    T(chdir(".."));
    T(rmdir("dir\xff name\n"));
    return 0;
}
