/* A disk that says it wrote: the next write to a segment after a command is done as the command
 * says, and reported as done in full. Loaded before the C library. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, COMMAND = 16, NAME = 4096, FILL = 1 << 20 };

static ssize_t really(int fd, const void *bytes, size_t length, off64_t offset) {
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

/* What to do with this write; each command is taken once. */
static int command(int fd, size_t length, off64_t offset, char *word) {
    const char *file = getenv("RELAY_FAULT_LIE");
    char link[64], name[NAME];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t named = readlink(link, name, sizeof name - 1);
    /* Neither the zeros of a new segment nor its head. */
    if (!file || named < 4 || offset == 0 || length >= FILL) return 0;
    name[named] = 0;
    if (strcmp(name + named - 4, ".seg") != 0) return 0;
    int asked = open(file, O_RDONLY);
    if (asked < 0) return 0;
    ssize_t read_ = read(asked, word, COMMAND - 1);
    close(asked);
    if (read_ <= 0 || unlink(file) != 0) return 0;
    word[read_] = 0;
    return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    char word[COMMAND];
    if (!command(fd, length, offset, word)) return really(fd, bytes, length, offset);
    if (!strcmp(word, "short")) really(fd, bytes, length / 2, offset);
    if (!strcmp(word, "torn")) {
        size_t first = length / 3, last = length - length / 3;
        really(fd, bytes, first, offset);
        really(fd, (const char *)bytes + last, length - last, offset + last);
    }
    if (!strcmp(word, "late")) really(fd, bytes, length, offset + PAGE);
    if (!strcmp(word, "early")) really(fd, bytes, length, offset > PAGE ? offset - PAGE : offset);
    return length;
}
