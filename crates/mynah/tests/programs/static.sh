# Static programs, which nothing but the kernel can see: busybox, and one built with musl.
cd "$1"
bb=/bin/busybox
$bb sh -c '
    echo x > a
    cat a
    mkdir -p d/e
    cp a d/e/b
    ls -R
    mv d/e/b c
    ln -s c l
    cat l
    rm -r d
    find . | sort
    touch -d @1000000000 a c
    tar cf t.tar c a
    tar tf t.tar
    gzip t.tar
    zcat t.tar.gz | wc -c
    sed -i s/x/y/ a
    grep -r y a
    stat -c "%s %a" a
    md5sum a
    pwd
    cd /
    cd -
    vi -v 2>/dev/null
    [ -f a ] && echo file
'
cp $bb busybox
./busybox echo run from here
ln -s busybox cat
./cat a
rm t.tar.gz
cat > prog.c <<'END'
#include <stdio.h>
#include <dirent.h>
#include <unistd.h>
#include <sys/stat.h>
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
int main(int argc, char **argv) {
    char cwd[4096]; puts(getcwd(cwd, sizeof cwd));
    FILE *f = fopen("from-musl", "w+"); fprintf(f, "%d arguments\n", argc); rewind(f); fgets(cwd, sizeof cwd, f); fputs(cwd, stdout); fclose(f);
    struct stat st; stat("from-musl", &st); printf("%ld %o\n", (long)st.st_size, st.st_mode);
    int n = 0; DIR *d = opendir("."); while (readdir(d)) n++; closedir(d); printf("%d entries\n", n);
    if (argc == 1) { pid_t p; char *a[] = {"./prog", "again", 0}; int s; posix_spawn(&p, "./prog", 0, 0, a, environ); waitpid(p, &s, 0); printf("child %d\n", s); }
    return argc == 1 && (rename("from-musl", "renamed") || truncate("renamed", 3));
}
END
musl-gcc -static -o prog prog.c
./prog
cat renamed
echo
musl-gcc -o dynamic prog.c
./dynamic 1 2
ls
