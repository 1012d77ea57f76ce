# Programs and their libraries side by side: PIE, static, static PIE; RPATH, $ORIGIN over links, LD_LIBRARY_PATH, dlopen, preload.
# No absolute path in lists: that of a server with a port has a colon, which separates.
cd "$1"
mkdir -p bin lib other links
cat > lib.c <<'X'
#include <stdio.h>
__attribute__((constructor)) static void begin(void) { puts("loaded"); }
int answer(void) { return ANSWER; }
X
cat > main.c <<'X'
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/auxv.h>
int answer(void);
int main(int argc, char **argv) {
    const char *name = (const char *)getauxval(AT_EXECFN);
    printf("%s as %s, %s: %d\n", argv[0], strrchr(name, '/') ? strrchr(name, '/') + 1 : name, argc > 1 ? argv[1] : "-", answer());
    return 0;
}
X
cat > plain.c <<'X'
#include <stdio.h>
int main(int argc, char **argv) { printf("%s of %d\n", argv[0], argc); return 7; }
X
cat > open.c <<'X'
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        void *lib = dlopen(argv[i], RTLD_NOW);
        if (!lib) { printf("%s\n", dlerror()); continue; }
        int (*answer)(void) = (int (*)(void))dlsym(lib, "answer");
        printf("%s: %d\n", argv[i], answer());
        dlclose(lib);
    }
    return 0;
}
X
cc -shared -fPIC -DANSWER=1 -o lib/libanswer.so lib.c
cc -shared -fPIC -DANSWER=2 -o other/libanswer.so lib.c
chmod 644 lib/libanswer.so other/libanswer.so
cc -o bin/origin main.c -Llib -lanswer -Wl,-rpath,'$ORIGIN/../lib'
cc -o bin/relative main.c -Llib -lanswer -Wl,-rpath,./other
cc -o bin/none main.c -Llib -lanswer
cc -static -o bin/static plain.c
cc -static-pie -o bin/static-pie plain.c
cc -no-pie -o bin/fixed plain.c
cc -pie -o bin/pie plain.c
cc -o bin/open open.c
./bin/origin here
(cd bin && ./origin near)
(cd lib && ../bin/origin beside)
"$1/bin/origin" absolute
ln -s ../bin/origin links/origin
ln -s links/origin outer
ln -s bin folder
./links/origin link
./outer 'link to link'
./folder/origin 'linked directory'
PATH=links:$PATH origin 'search path'
./bin/relative
./bin/none 2>&1 | sed 's/.*: //' || true
LD_LIBRARY_PATH=lib ./bin/none one
LD_LIBRARY_PATH=other ./bin/none two
LD_LIBRARY_PATH=./none:other ./bin/origin 'three'
LD_PRELOAD=./other/libanswer.so ./bin/origin preloaded
./bin/open lib/libanswer.so "$1/other/libanswer.so" ./other/libanswer.so
LD_LIBRARY_PATH=lib ./bin/open libanswer.so
for kind in static static-pie fixed pie; do
    ./bin/$kind a b || echo "$kind: $?"
done
ldd bin/origin | grep -c "$1/bin/../lib/libanswer.so"
/lib64/ld-linux-x86-64.so.2 ./bin/origin 'by the loader'
# The addresses in them differ from run to run.
rm bin/* lib/* other/*
