/* mock_visit.h - for tests: asks a mock over plain blocking sockets, and hears the answer. */
#ifndef UB_TOOLS_MOCK_VISIT_H
#define UB_TOOLS_MOCK_VISIT_H

#include "tools/mock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct ub_mock *mock; /* the one that is asked */

static inline int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ub_mock_port(mock)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int ask(const char *method, const char *target, const char *fault, const char *body)
{
    char text[8192];
    int len = snprintf(text, sizeof text,
                       "%s %s HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n%s%s%s"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, target, fault != NULL ? "x-mock-fault: " : "",
                       fault != NULL ? fault : "", fault != NULL ? "\r\n" : "", strlen(body), body);
    int fd = dial();
    if (fd >= 0 && write(fd, text, (size_t)len) != len) {
        abort();
    }
    return fd;
}

/* Both of these parts are there: then the client leaves (its FIN is taken for that). */
struct leave_at {
    const char *has;
    const char *has_too;
};

static inline bool is_there(const struct leave_at *leave, const char *text)
{
    return strstr(text, leave->has) != NULL && strstr(text, leave->has_too) != NULL;
}

/* What comes until the other side closes, or `limit_ms` are over without a byte (then `open`). */
static inline const char *hear_until(int fd, int limit_ms, const struct leave_at *leave, bool *open)
{
    static char text[4 * 1024 * 1024];
    size_t len = 0;
    *open = false;
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (len < sizeof text - 1) {
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        if (got <= 0) {
            *open = got < 0 && errno == EAGAIN;
            break;
        }
        len += (size_t)got;
        text[len] = '\0';
        if (leave != NULL && is_there(leave, text)) {
            shutdown(fd, SHUT_WR);
            leave = NULL;
        }
    }
    close(fd);
    text[len] = '\0';
    return text;
}

static inline const char *hear(int fd, int limit_ms, bool *open)
{
    return hear_until(fd, limit_ms, NULL, open);
}

/* The content of a plain answer, or of all events of a stream. */
static inline void content_of(const char *text, char *out, size_t size)
{
    size_t len = 0;
    for (const char *p = text; (p = strstr(p, "\"content\":\"")) != NULL;) {
        p += strlen("\"content\":\"");
        size_t part = strcspn(p, "\"");
        len += (size_t)snprintf(out + len, size - len, "%.*s", (int)part, p);
    }
}

#endif
