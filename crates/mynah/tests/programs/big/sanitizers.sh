# AddressSanitizer, UBSan and ThreadSanitizer: programs that map terabytes, look at /proc/self/maps and at their own stacks.
cd "$1"
cat > fault.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    FILE *f = fopen("note", "w");
    fprintf(f, "%s\n", argv[1]);
    fclose(f);
    char *p = malloc(10);
    strcpy(p, "123456789");
    if (!strcmp(argv[1], "over"))
        p[argc + 8] = 'x';
    if (!strcmp(argv[1], "freed")) {
        free(p);
        return p[0];
    }
    if (!strcmp(argv[1], "lost"))
        p = NULL;
    puts("reached the end");
    free(p);
    return 0;
}
END
gcc -g -O0 -fsanitize=address -fno-omit-frame-pointer -o address fault.c
for fault in none over freed lost; do
    ./address $fault 2> report || echo "status $?"
    grep -oE 'ERROR: (Address|Leak)Sanitizer: [a-z-]+|in main .*' report | sed "s#$PWD#HERE#" | head -2
done
cat > overflow.c <<'END'
#include <stdio.h>
int main(int argc, char **argv) { int x = 2147483646; x += argc; printf("%d\n", x + argc > 0); return 0; }
END
gcc -g -fsanitize=undefined -o undefined overflow.c
./undefined 2>&1 | sed 's/.*runtime/runtime/'
cat > race.c <<'END'
#include <pthread.h>
#include <stdio.h>
int shared;
void *add(void *x) { for (int i = 0; i < 1000; i++) shared++; return x; }
int main(void) {
    pthread_t a, b;
    pthread_create(&a, 0, add, 0);
    pthread_create(&b, 0, add, 0);
    pthread_join(a, 0);
    pthread_join(b, 0);
    FILE *f = fopen("race-note", "w");
    fclose(f);
    puts("joined");
}
END
gcc -g -fsanitize=thread -o thread race.c
./thread 2> report || echo "status $?"
grep -o 'data race' report | head -1
rm address undefined thread report
