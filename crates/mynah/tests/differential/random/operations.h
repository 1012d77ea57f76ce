// Random operations on a few names and descriptors, the same for a seed wherever they run. What each answers is printed, and
// from time to time what all names and descriptors show.
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "tested.h"

enum { SLOTS = 5, OPERATIONS = 400 };

static uint64_t random_state;
static int slots[SLOTS];

// xorshift64*: small, and the same on every machine.
static uint32_t chance(uint32_t below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static const char *a_name(void) {
    static const char *names[] = {"a", "b", "c", "x", "x/a", "x/b", "x/y", "x/y/a", "x/y/b", "l", "x/../b", "x/y/../a", "./c", "l/a"};
    return names[chance(sizeof names / sizeof *names)];
}

static void answer(int number, const char *what, const char *one, const char *two, long result) {
    printf("%d %s %s %s: ", number, what, one, two);
    if (result < 0)
        printf("%s\n", errno_name(errno));
    else
        printf("%ld\n", result);
}

static int a_flag(void) {
    static const int accesses[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    static const int extras[] = {0, 0, O_CREAT, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_CREAT | O_TRUNC, O_TRUNC, O_APPEND, O_CREAT | O_APPEND, O_NOFOLLOW, O_DIRECTORY};
    return accesses[chance(4)] | extras[chance(sizeof extras / sizeof *extras)];
}

static long write_some(int fd, int at_offset) {
    char data[3000];
    size_t length = chance(chance(4) ? 40 : sizeof data);
    memset(data, 'A' + chance(26), length);
    long offset = chance(5000);
    return at_offset ? pwrite(fd, data, length, offset) : write(fd, data, length);
}

static long read_some(int fd) {
    unsigned char data[3000];
    long offset = chance(5000), length = pread(fd, data, 1 + chance(sizeof data), offset);
    long sum = length;
    for (long i = 0; i < length; i++)
        sum = sum * 31 % 1000003 + data[i];
    return length < 0 ? -1 : sum;
}

static long store_through_a_mapping(int fd) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
        return 0;
    char *map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -1;
    long at = chance(st.st_size);
    map[at] = 'm';
    munmap(map, st.st_size);
    return at;
}

static void one_operation(int number) {
    const char *one = a_name(), *two = a_name();
    int slot = chance(SLOTS);
    // Mostly one that is open.
    for (int tries = 0; tries < 4 && slots[slot] < 0; tries++)
        slot = chance(SLOTS);
    int fd = slots[slot];
    char on[24], target[64];
    snprintf(on, sizeof on, "#%d", slot);
    errno = 0;
    switch (chance(24)) {
    case 0: case 1: case 2: case 3: {
        slot = chance(SLOTS);
        fd = slots[slot];
        snprintf(on, sizeof on, "#%d", slot);
        int flags = a_flag(), opened = open(one, flags, 0600 | chance(0100));
        if (fd >= 0)
            close(fd);
        slots[slot] = opened;
        snprintf(target, sizeof target, "%s %o", on, flags);
        answer(number, "open", one, target, opened < 0 ? -1 : 0);
        break;
    }
    case 4: answer(number, "write", on, "", write_some(fd, 0)); break;
    case 5: answer(number, "pwrite", on, "", write_some(fd, 1)); break;
    case 6: case 7: answer(number, "pread", on, "", read_some(fd)); break;
    case 8: answer(number, "lseek", on, "", lseek(fd, chance(4000), SEEK_SET)); break;
    case 9: answer(number, "ftruncate", on, "", ftruncate(fd, chance(4000))); break;
    case 10: answer(number, "truncate", one, "", truncate(one, chance(4000))); break;
    case 11: answer(number, "rename", one, two, rename(one, two)); break;
    case 12: answer(number, "link", one, two, link(one, two)); break;
    case 13: answer(number, "unlink", one, "", unlink(one)); break;
    case 14: answer(number, "symlink", two, one, symlink(two, one)); break;
    case 15: case 16: answer(number, "mkdir", one, "", mkdir(one, 0755)); break;
    case 17: answer(number, "rmdir", one, "", rmdir(one)); break;
    case 18: answer(number, "chmod", one, "", chmod(one, 0700 | chance(0100))); break;
    case 19:
        answer(number, "close", on, "", close(fd));
        slots[slot] = -1;
        break;
    case 20: answer(number, "fsync", on, "", fsync(fd)); break;
    case 21: answer(number, "map", on, "", store_through_a_mapping(fd)); break;
    case 22: answer(number, "readlink", one, "", readlink(one, target, sizeof target)); break;
    case 23:
        // The same in another process.
        fflush(NULL);
        if (fork() == 0) {
            int opened = open(one, O_RDWR | O_CREAT | O_APPEND, 0644);
            _exit(opened < 0 ? errno : write(opened, "child", 5) == 5 ? 0 : 255);
        }
        int status;
        wait(&status);
        answer(number, "child appends to", one, "", WEXITSTATUS(status));
        break;
    }
}

static void show_all(void) {
    static const char *names[] = {"a", "b", "c", "x", "x/a", "x/b", "x/y", "x/y/a", "x/y/b", "l"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        errno = 0;
        if (lstat(names[i], &st))
            printf("  %s: %s\n", names[i], errno_name(errno));
        else
            show_stat(names[i], &st);
    }
    for (int i = 0; i < SLOTS; i++) {
        struct stat st;
        if (slots[i] >= 0 && fstat(slots[i], &st) == 0) {
            show_stat("slot", &st);
            printf("  offset %ld\n", (long)lseek(slots[i], 0, SEEK_CUR));
        }
    }
    show_names(".");
    show_names("x");
}

static void perform(uint64_t seed) {
    for (int i = 0; i < SLOTS; i++)
        slots[i] = -1;
    for (int number = 1; number <= OPERATIONS; number++) {
        // Each operation has its own chance, so that a failure can be reduced by leaving others out.
        random_state = (seed + number) * 0x9e3779b97f4a7c15ULL;
        chance(2);
        chance(2);
        one_operation(number);
        if (number % 50 == 0)
            show_all();
    }
    for (int i = 0; i < SLOTS; i++)
        if (slots[i] >= 0)
            close(slots[i]);
}

#endif
