// fsync and its kin on each kind of descriptor.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    T(write(fd, "data", 4));
    T(fsync(fd));
    T(fdatasync(fd));
    T(syncfs(fd));
    T(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    T(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    T(readahead(fd, 0, 100));
    int reader = open("a", O_RDONLY);
    T(fsync(reader));
    int directory = open(".", O_RDONLY);
    T(fsync(directory));
    T(fdatasync(directory));
    T(fsync(99));
    T(syncfs(99));
    int ends[2];
    pipe(ends);
    T(fsync(ends[1]));
    T(write(fd, "more", 4));
    T(fsync(reader));
    unlink("a");
    T(fsync(fd));
    T(close(fd));
    fd = open("b", O_RDWR | O_CREAT | O_SYNC, 0644);
    T(write(fd, "synchronous", 11));
    STAT("b");
    T(close(fd));
    sync();
    return 0;
}
