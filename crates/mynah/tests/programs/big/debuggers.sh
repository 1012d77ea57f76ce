# gdb with breakpoints, strace -f, valgrind: on a program made in the directory, which works there. What a debugger traces is run
# from a local directory: a remote program is not executed under a tracer (see the guide).
cd "$1"
local=$(mktemp -d -p /tmp)
trap 'rm -rf "$local"' EXIT
export DEBUGINFOD_URLS=
cat > main.c <<'END'
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int counter;
#define STRAY(n) ((volatile char *)malloc(n))
int twice(int x) { counter++; return 2 * x; }
static void *thread(void *x) { twice(*(int *)x); return NULL; }
int main(int argc, char **argv) {
    int sum = 0, seven = 7;
    for (int i = 0; i < 5; i++)
        sum += twice(i);
    pthread_t id;
    pthread_create(&id, NULL, thread, &seven);
    pthread_join(id, NULL);
    int fd = open("out", O_CREAT | O_WRONLY | O_TRUNC, 0644);
    dprintf(fd, "%d %d\n", sum, counter);
    close(fd);
    if (fork() == 0) {
        fd = open("child", O_CREAT | O_WRONLY, 0644);
        close(fd);
        _exit(3);
    }
    wait(NULL);
    if (argc > 1 && argv[1][0] == 'l')
        STRAY(100)[0] = 1;
    if (argc > 1 && argv[1][0] == 'u')
        return STRAY(10)[10];
    return 0;
}
END
gcc -g -O0 -pthread -o program main.c
cp program "$local"
echo == gdb
cat > commands <<'END'
set pagination off
set confirm off
break twice if x == 3
run
print x
print counter
backtrace
finish
tbreak thread
continue
info line
delete
continue
END
gdb -q -nx -batch -x commands "$local/program" > gdb.out 2>&1 || true
grep -E '^(Breakpoint|Temporary|\$|#|Value|\[Inferior)' gdb.out | sed 's/0x[0-9a-f]*/ADDRESS/g; s/process [0-9]*/process N/; s/Thread [^,]*/a thread/'
cat out
echo == strace
rm out child
strace -f -o trace -e trace=openat,exit_group "$local/program"
grep -oE 'openat\(AT_FDCWD, "(out|child)".*' trace
grep -oE 'exit_group\(.*' trace
strace -c -o counted "$local/program" && grep -oE ' clone3?$' counted | sort -u
echo == valgrind
valgrind -q --error-exitcode=9 --leak-check=full ./program && echo clean
valgrind -q --error-exitcode=9 --leak-check=full ./program l 2> leak || echo "status $?"
grep -oE '100 bytes in 1 blocks are definitely lost|\(main\.c:[0-9]+\)' leak
valgrind -q --error-exitcode=9 ./program u 2> unread || echo "status $?"
grep -oE 'Invalid read of size 1|\(main\.c:[0-9]+\)' unread
rm program gdb.out trace counted leak unread
