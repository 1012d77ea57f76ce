// /proc/self: cwd, fd, exe, maps, root, fdinfo, cmdline name what the program knows.
#include "tested.h"

static void show_link(const char *path) {
    char text[PATH_MAX];
    ssize_t n = readlink(path, text, sizeof text - 1);
    if (n < 0)
        printf("%s: %s\n", path, errno_name(errno));
    else {
        text[n] = 0;
        printf("%s -> %s\n", path, text);
    }
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char path[64], line[8192], buffer[64];
    struct stat st, of_link;
    put("a", "0123456789");
    mkdir("d", 0755);
    show_link("/proc/self/cwd");
    show_link("/proc/thread-self/cwd");
    show_link("/proc/self/root");
    snprintf(path, sizeof path, "/proc/%d/cwd", getpid());
    readlink(path, line, sizeof line);
    HOLDS(!strncmp(line, W, strlen(W)));
    int fd = open("a", O_RDWR), d = open("d", O_RDONLY), made = open("made", O_RDWR | O_CREAT, 0644);
    show_link("/proc/self/fd/3");
    show_link("/proc/self/fd/4");
    show_link("/proc/self/fd/5");
    show_link("/proc/self/fd/6");
    show_link("/dev/fd/3");
    T(stat("/proc/self/fd/3", &of_link));
    T(fstat(fd, &st));
    HOLDS(st.st_ino == of_link.st_ino && st.st_dev == of_link.st_dev);
    T(lstat("/proc/self/fd/3", &of_link));
    HOLDS(S_ISLNK(of_link.st_mode));
    T(open("/proc/self/fd/3", O_RDONLY));
    T(read(6, buffer, 4));
    T(lseek(fd, 0, SEEK_CUR));
    show_link("/proc/self/fd/6");
    close(6);
    T(access("/proc/self/fd/4/../a", F_OK));
    T(access("/proc/self/cwd/a", F_OK));
    put("d/x", "through the link");
    T(open("/proc/self/fd/4/x", O_RDONLY));
    show_file("/proc/self/cwd/d/x");
    T(chdir("/proc/self/fd/4"));
    show_link("/proc/self/cwd");
    T(chdir(".."));
    T(rename("a", "b"));
    show_link("/proc/self/fd/3");
    T(unlink("b"));
    show_link("/proc/self/fd/3");
    T(open("/proc/self/fd/3", O_RDONLY));
    T(read(7, buffer, 4));
    T(write(made, "x", 1));
    // Mapped files are named in the maps.
    char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, made, 0);
    char wanted[PATH_MAX];
    snprintf(wanted, sizeof wanted, "%s/made\n", W);
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0, at_address = 0;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, wanted)) {
            found++;
            at_address += strtoul(line, NULL, 16) == (unsigned long)map;
        }
    fclose(maps);
    printf("mapped %d, at its address %d\n", found, at_address);
    int entries = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (readdir(fds))
        entries++;
    closedir(fds);
    printf("entries in fd %d\n", entries);
    FILE *info = fopen("/proc/self/fdinfo/5", "r");
    fgets(line, sizeof line, info);
    printf("%s", line);
    fclose(info);
    FILE *command = fopen("/proc/self/cmdline", "r");
    size_t n = fread(line, 1, sizeof line - 1, command);
    line[n] = 0;
    HOLDS(!strcmp(line + strlen(line) + 1, W));
    fclose(command);
    show_file("/proc/self/comm");
    // A child asks about its parent.
    CHILD({
        snprintf(path, sizeof path, "/proc/%d/fd/5", getppid());
        ssize_t m = readlink(path, line, sizeof line - 1);
        line[m < 0 ? 0 : m] = 0;
        printf("%s\n", line);
        snprintf(path, sizeof path, "/proc/%d/cwd", getppid());
        m = readlink(path, line, sizeof line - 1);
        line[m < 0 ? 0 : m] = 0;
        printf("%s\n", line);
    });
    close(d);
    // The program's own file, by name and by content.
    char exe[PATH_MAX], invoked[PATH_MAX];
    n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n] = 0;
    HOLDS(realpath(argv[0], invoked) && !strcmp(exe, invoked));
    T(open("/proc/self/exe", O_WRONLY));
    return 0;
}
