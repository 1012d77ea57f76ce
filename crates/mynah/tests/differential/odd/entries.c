// Odd entries into the kernel: int 0x80, x32 numbers, io_uring, unknown numbers, vsyscall, old calls.
#include "tested.h"
#include <sys/mount.h>

#ifdef __x86_64__
static long old_entry(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
#endif

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
#ifdef __x86_64__
    // 32-bit calls can only reach what lies low.
    char *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (low != MAP_FAILED) {
        enum { I386_OPEN = 5, I386_CLOSE = 6, I386_READ = 3, I386_ACCESS = 33, I386_MKDIR = 39, I386_GETPID = 20, I386_STAT64 = 195, I386_CHDIR = 12 };
        strcpy(low, "a");
        HOLDS(old_entry(I386_GETPID, 0, 0, 0) == getpid());
        long fd = old_entry(I386_OPEN, (long)low, O_RDONLY, 0);
        HOLDS(fd >= 3);
        printf("read %ld\n", old_entry(I386_READ, fd, (long)low + 100, 4));
        show_bytes("text", low + 100, 4);
        printf("close %ld\n", old_entry(I386_CLOSE, fd, 0, 0));
        printf("access %ld\n", old_entry(I386_ACCESS, (long)low, R_OK, 0));
        strcpy(low, "none");
        printf("none %ld\n", old_entry(I386_OPEN, (long)low, O_RDONLY, 0));
        strcpy(low, "made");
        printf("mkdir %ld\n", old_entry(I386_MKDIR, (long)low, 0755, 0));
        printf("chdir %ld\n", old_entry(I386_CHDIR, (long)low, 0, 0));
        char cwd[PATH_MAX];
        getcwd(cwd, sizeof cwd);
        printf("%s\n", cwd);
        chdir(W);
    }
    OK(syscall(0x40000000 | 20, 0));
#endif
    OK(syscall(1023));
    OK(syscall(99999));
    OK(syscall(-1));
    T(time(NULL) > 1600000000);
    OK(syscall(SYS_name_to_handle_at, AT_FDCWD, "none", NULL, NULL, 0));
    OK(syscall(SYS_mount, "a", "b", "tmpfs", 0, NULL));
    OK(syscall(SYS_umount2, "none", 0));
    OK(syscall(SYS_swapon, "none", 0));
    OK(syscall(SYS_acct, "none"));
    OK(syscall(SYS_pivot_root, "none", "none"));
    OK(syscall(SYS_umount2, "a", 0));
    OK(syscall(SYS_umount2, "a", 0x100));
    OK(syscall(SYS_swapon, "a", 0));
    OK(syscall(SYS_swapon, "a", -1));
    OK(syscall(SYS_swapoff, "a"));
    OK(syscall(SYS_mount, "none", "a", NULL, MS_BIND, NULL));
    OK(syscall(SYS_move_mount, AT_FDCWD, "none", AT_FDCWD, "none", 0));
    OK(syscall(SYS_fspick, AT_FDCWD, "none", 0));
    OK(syscall(SYS_open_tree, AT_FDCWD, "none", 0));
    OK(chroot("none"));
    OK(chroot("a"));
    if (geteuid() != 0)
        OK(chroot("."));
    OK(syscall(SYS_uselib, "a"));
    OK(syscall(SYS_quotactl, 0, "none", 0, NULL));
    OK(syscall(SYS_quotactl, 0, "a", 0, NULL));
    OK(syscall(SYS_memfd_create, "name", 0));
    show_names(".");
    return 0;
}
