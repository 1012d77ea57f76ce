// What is written by io_submit(2) is in the file for whoever opens it next, and at the server: the kernel gives no notice of it.
#include "tested.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

static aio_context_t context;
static char block[4096];

static long transfer(int fd, int opcode, long offset) {
    struct iocb request = {.aio_fildes = fd, .aio_lio_opcode = opcode, .aio_buf = (uintptr_t)block,
                           .aio_nbytes = sizeof block, .aio_offset = offset};
    struct iocb *requests = &request;
    struct io_event event = {0};
    if (syscall(SYS_io_submit, context, 1, &requests) != 1 || syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
        return -1;
    return event.res;
}

static void look(const char *name, long offset) {
    int fd = open(name, O_RDONLY);
    char found = 0;
    pread(fd, &found, 1, offset);
    printf("%s at %ld: %c\n", name, offset, found ? found : '0');
    close(fd);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    // Open before and after there is a context, and again when it was read back.
    int early = open("early", O_RDWR | O_CREAT, 0644);
    OK(ftruncate(early, 4 * sizeof block));
    OK(fsync(early));
    OK(syscall(SYS_io_setup, 4, &context));
    int late = open("late", O_RDWR | O_CREAT, 0644);
    OK(ftruncate(late, 4 * sizeof block));
    OK(fsync(late));
    for (int round = 0; round < 3; round++) {
        memset(block, 'a' + round, sizeof block);
        HOLDS(transfer(early, IOCB_CMD_PWRITE, sizeof block) == sizeof block);
        HOLDS(transfer(late, IOCB_CMD_PWRITE, 2 * sizeof block) == sizeof block);
        OK(fsync(early));
        OK(fsync(late));
        look("early", 5000);
        look("late", 9000);
    }
    memset(block, 'x', sizeof block);
    HOLDS(transfer(early, IOCB_CMD_PWRITE, 0) == sizeof block);
    OK(close(early));
    look("early", 0);
    early = open("early", O_RDWR);
    memset(block, 'y', sizeof block);
    HOLDS(transfer(early, IOCB_CMD_PWRITE, 0) == sizeof block);
    memset(block, 0, sizeof block);
    HOLDS(transfer(early, IOCB_CMD_PREAD, 0) == sizeof block);
    printf("read back %c\n", block[100]);
    HOLDS(transfer(early, IOCB_CMD_PWRITE, 3 * sizeof block) == sizeof block);
    OK(close(early));
    look("early", 0);
    memset(block, 'z', sizeof block);
    // Left to the process's end.
    HOLDS(transfer(late, IOCB_CMD_PWRITE, 0) == sizeof block);
    return 0;
}
