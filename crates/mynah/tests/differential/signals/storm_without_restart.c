// A timer signal at 1 kHz without SA_RESTART on every class of call: one that ends with EINTR was not done, and
// can be begun again (natively none does).
#include "every_call.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    every_call(0);
    return 0;
}
