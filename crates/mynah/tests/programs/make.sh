# gcc and make: a library, a program, shared objects, rebuilds, parallel make, archives.
cd "$1"
mkdir src include
for i in $(seq 12); do printf '#include "all.h"\nint f%s(int x) { return x * %s + LIMIT; }\n' $i $i > src/f$i.c; done
{ echo '#define LIMIT 3'; for i in $(seq 12); do echo "int f$i(int);"; done; } > include/all.h
{ echo '#include <stdio.h>'; echo '#include "all.h"'; echo 'int main(void) { int s = 0;'; for i in $(seq 12); do echo "s += f$i($i);"; done; echo 'printf("sum %d\n", s); return s % 256 == 0; }'; } > src/main.c
cat > Makefile <<'END'
OBJ := $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
prog: $(OBJ) ; cc -o $@ $^
obj/%.o: src/%.c include/all.h | obj ; cc -O1 -Iinclude -MMD -c -o $@ $<
obj: ; mkdir -p $@
lib.a: $(filter-out obj/main.o,$(OBJ)) ; ar rcsD $@ $^
clean: ; rm -rf obj prog
-include $(wildcard obj/*.d)
END
make -s -j4
./prog
make
touch -d '-1 minute' obj/*.o
touch -d '-2 minutes' src/*.c include/all.h
touch src/f3.c
make | grep -c 'cc -O1'
make -q
sed -i 's/LIMIT 3/LIMIT 4/' include/all.h
make -sj3 2> /dev/null
./prog
make -s lib.a
ar t lib.a | wc -l
cc -o with-lib obj/main.o lib.a
./with-lib
ranlib lib.a
nm lib.a | grep -c ' T '
cc -shared -fPIC -Iinclude -o libf.so src/f*.c
cc -o dynamic obj/main.o -L. -lf -Wl,-rpath,"\$ORIGIN"
./dynamic
LD_LIBRARY_PATH=. ldd ./dynamic | grep -c libf
strip prog
./prog
cc -static -o static obj/main.o lib.a
./static
readelf -h static | grep -c EXEC
objdump -d prog | grep -c main || true
size prog | wc -l
gcc -E -Iinclude src/main.c | grep -c 'int f'
gcc -Iinclude -flto -O2 -o lto src/*.c
./lto
gcc -pipe -save-temps -Iinclude -c src/f1.c
ls f1*
echo 'int main(){return 1+;}' > bad.c
cc bad.c 2>&1 | grep -c error
make clean
ls
prog2=$(mktemp -p .)
cp static $prog2
chmod +x $prog2
$prog2
rm $prog2
printf '#!%s/static\n' . > self
chmod +x self
./self
