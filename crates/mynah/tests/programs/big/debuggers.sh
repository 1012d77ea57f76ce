# gdb with breakpoints, strace -f, valgrind: on programs and scripts that lie in the directory and work there. Nobody has two tracers:
# what a debugger has is led into the directory, and into the programs there, by other means than ptrace.
cd "$1"
export DEBUGINFOD_URLS=
cat > main.c <<'END'
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    if (argc > 1 && argv[1][0] == 'd') {
        char name[4096];
        if (chdir(argv[1]) == 0 && getcwd(name, sizeof name))
            printf("in %s\n", strrchr(name, '/'));
        perror(chdir("../absent") ? "absent" : "found");
        return 7;
    }
    if (argc > 1 && argv[1][0] == 'l')
        STRAY(100)[0] = 1;
    if (argc > 1 && argv[1][0] == 'u')
        return STRAY(10)[10];
    return 0;
}
END
gcc -g -O0 -pthread -o program main.c
mkdir directory
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
cat > directories <<'END'
set pagination off
break chdir
run directory
bt -1
delete
continue
END
gdb -q -nx -batch -x commands ./program > gdb.out 2>&1 || true
grep -E '^(Breakpoint|Temporary|\$|#|Value|\[Inferior)' gdb.out | sed 's/0x[0-9a-f]*/ADDRESS/g; s/process [0-9]*/process N/; s/Thread [^,]*/a thread/'
cat out
gdb -q -nx -batch -x directories ./program > gdb.out 2>&1 || true
grep -E '^(#|in |absent|found|\[Inferior)' gdb.out | sed 's/0x[0-9a-f]*/ADDRESS/g; s/process [0-9]*/process N/'
echo == strace
rm out child
strace -f -o trace -e trace=openat,exit_group ./program
grep -oE 'openat\(AT_FDCWD, "(out|child)".*' trace
grep -oE 'exit_group\(.*' trace
strace -c -o counted ./program && grep -oE ' clone3?$' counted | sort -u
echo == a script, and make
cat > script <<'END'
#!/bin/sh
echo "$0 with $*"
cd directory && echo "now in ${PWD##*/}" && ../program directory
cd ../absent 2> /dev/null || echo "absent, still in ${PWD##*/}"
../notes 2> /dev/null || echo "notes are no program: $?"
../empty; echo "an empty file does nothing: $?"
cd .. && ./program directory; ./program d; echo "ended with $?"
END
chmod +x script
echo text > notes
: > empty; chmod +x empty
mkdir -p directory/directory
strace -f -o trace ./script one 'two three' && grep -c 'exited with' trace
printf 'all: a b c\na b c: program\n\t./script $@ > $@\n\tcd directory && ../program directory >> ../$@ || echo $$? >> ../$@\n' > Makefile
strace -f -o trace make -j2 2>&1 | sort | uniq -c
cat a b c
strace -f -o trace bash -c 'for i in 1 2 3 4 5 6 7 8; do
    (cd directory && ../program directory 2>&1 & cd directory/directory && wait)
done' | sort | uniq -c
strace -f -o trace python3 -c 'import os, subprocess
os.chdir("directory")
print(subprocess.run(["./script", "py"], capture_output=True, cwd="..").returncode, os.path.basename(os.getcwd()))
try:
    os.execv("../notes", ["notes"])
except PermissionError as error:
    print(error.strerror, len(os.listdir("/proc/self/fd")))
os.execv("../program", ["a name", "directory"])' || echo "python ended with $?"
rm -r directory script notes empty Makefile a b c
echo == valgrind
valgrind -q --error-exitcode=9 --leak-check=full ./program && echo clean
valgrind -q --error-exitcode=9 --leak-check=full ./program l 2> leak || echo "status $?"
grep -oE '100 bytes in 1 blocks are definitely lost|\(main\.c:[0-9]+\)' leak
valgrind -q --error-exitcode=9 ./program u 2> unread || echo "status $?"
grep -oE 'Invalid read of size 1|\(main\.c:[0-9]+\)' unread
rm program directories gdb.out trace counted leak unread
