// A timer signal at 1 kHz with SA_RESTART on every class of call: each is done, and done once.
#include "every_call.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    every_call(SA_RESTART);
    return 0;
}
