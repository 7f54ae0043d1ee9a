#include "store/real_redis.h"

#include "base/slice.h"
#include "base/time.h"
#include "net/peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 40

static void run_server(const struct ub_real_redis *server, const char *const *options)
{
    char port[8];
    snprintf(port, sizeof port, "%u", server->port);
    const char *arguments[OPTIONS_MAX] = {
        "redis-server", "--port",      port,  "--bind",    "127.0.0.1", "--dir",
        server->folder, "--save",      "",    "--logfile", "log",       "--appendonly",
        "no",           "--maxmemory", "64mb"};
    size_t count = 15;
    while (options != NULL && *options != NULL && count + 1 < OPTIONS_MAX) {
        arguments[count++] = *options++;
    }
    execvp("redis-server", (char **)(uintptr_t)arguments);
    _exit(127);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    uint16_t port = 0;
    int fd = ub_peer_listen(false, &port, 1);
    assert(fd >= 0);
    close(fd);
    return port;
}

static bool answers(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[8] = "";
    bool good = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
                send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, answer, 7, 0) > 0;
    close(fd);
    return good && (answer[0] == '+' || answer[0] == '-');
}

static bool start(struct ub_real_redis *server, const char *const *options)
{
    server->pid = fork();
    assert(server->pid >= 0);
    if (server->pid == 0) {
        run_server(server, options);
    }
    for (int i = 0; i < 5000; i++) {
        int status;
        if (answers(server->port)) {
            return true;
        }
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            assert(WIFEXITED(status) && WEXITSTATUS(status) == 127);
            return false;
        }
        usleep(2000);
    }
    abort();
}

bool ub_real_redis_start(struct ub_real_redis *server, const char *const *options)
{
    *server = (struct ub_real_redis){.port = free_port(), .folder = "/tmp/unbusy-redis-XXXXXX"};
    char *folder = mkdtemp(server->folder);
    assert(folder != NULL);
    (void)folder;
    if (!start(server, options)) {
        ub_real_redis_end(server);
        return false;
    }
    return true;
}

void ub_real_redis_restart(struct ub_real_redis *server)
{
    ub_real_redis_kill(server);
    if (!start(server, NULL)) {
        abort();
    }
}

void ub_real_redis_signal(const struct ub_real_redis *server, int signal)
{
    kill(server->pid, signal);
}

void ub_real_redis_kill(struct ub_real_redis *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

void ub_real_redis_end(struct ub_real_redis *server)
{
    char path[64];
    ub_real_redis_kill(server);
    snprintf(path, sizeof path, "%s/log", server->folder);
    unlink(path);
    rmdir(server->folder);
}
