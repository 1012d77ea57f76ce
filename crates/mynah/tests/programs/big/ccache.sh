# make -j8 with a generated source, a library and recursion, built again through ccache, whose store is in the directory.
cd "$1"
export CCACHE_DIR=$1/store CCACHE_NOHASHDIR=1 CCACHE_COMPILERCHECK=none
mkdir lib src
for i in $(seq 24); do
    printf '#include "all.h"\nint part%d(int x) { return x + %d; }\n' "$i" "$i" > lib/part$i.c
    echo "int part$i(int);" >> lib/all.h
done
cat > lib/Makefile <<'END'
OBJECTS := $(patsubst %.c,%.o,$(wildcard part*.c))
libparts.a: $(OBJECTS)
	$(AR) rcD $@ $(sort $^)
%.o: %.c all.h
	$(CC) -O1 -c -o $@ $<
END
cat > Makefile <<'END'
CC ?= gcc
all: src/program
src/main.c: Makefile
	{ echo '#include <stdio.h>'; echo '#include "../lib/all.h"'; echo 'int main(void) { int x = 0;'; \
	for i in $$(seq 24); do echo "x = part$$i(x);"; done; echo 'printf("%d ", x); return 0; }'; } > $@.new
	mv $@.new $@
.PHONY: lib
lib:
	$(MAKE) -C lib
lib/libparts.a: lib ;
src/program: src/main.c lib/libparts.a
	$(CC) -O1 -o $@ src/main.c lib/libparts.a
clean:
	rm -f src/program src/main.c lib/*.o lib/*.a
END
make -j8 CC=gcc > log 2>&1 || cat log
sort log | grep -c gcc
src/program
make -C lib -q part1.o CC=gcc && echo up to date
touch lib/all.h
make -j8 CC=gcc > log 2>&1
grep -c gcc log
make clean > log
for round in 1 2; do
    make -j8 CC='ccache gcc' > log 2>&1 || cat log
    src/program
    make clean > log
done
ccache --print-stats | grep -E '^(direct_cache_hit|cache_miss|internal_error)'
rm -r store log
