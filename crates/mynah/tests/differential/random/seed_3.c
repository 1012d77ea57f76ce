// Random operations, see operations.h.
#include "random/operations.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    perform(3ULL << 32);
    return 0;
}
