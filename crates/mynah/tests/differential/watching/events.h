// What the programs of this family share: they print what an inotify instance has to tell.
#ifndef EVENTS_H
#define EVENTS_H

#include "tested.h"
#include <sys/inotify.h>

static uint32_t cookies[64];
static int cookie_count;

// Cookies are numbered as they come: their values differ from run to run.
static int cookie_number(uint32_t cookie) {
    if (!cookie)
        return 0;
    for (int i = 0; i < cookie_count; i++)
        if (cookies[i] == cookie)
            return i + 1;
    cookies[cookie_count++] = cookie;
    return cookie_count;
}

static void show_events(int fd, const char *after) {
    char buffer[16384] __attribute__((aligned(8)));
    ssize_t length = read(fd, buffer, sizeof buffer);
    printf("%s:%s\n", after, length < 0 ? errno == EAGAIN ? " nothing" : errno_name(errno) : "");
    for (char *at = buffer; length > 0 && at < buffer + length;) {
        struct inotify_event *event = (void *)at;
        printf("  watch %d mask %x cookie %d name %s\n", event->wd, event->mask, cookie_number(event->cookie),
               event->len ? event->name : "-");
        at += sizeof *event + event->len;
    }
}

// Performs something, and shows what is told of it.
#define TOLD(fd, ...) do { __VA_ARGS__; show_events(fd, #__VA_ARGS__); } while (0)

#endif
