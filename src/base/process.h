/* process.h - what a command that serves or loads many connections sets up first. */
#ifndef UB_BASE_PROCESS_H
#define UB_BASE_PROCESS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* A connection each: the soft limit of 1024 that many systems start with is no choice that anybody
 * made. */
void ub_process_raise_files(void);

/* Holds SIGINT and SIGTERM back, also in the threads that are started from now on, for who waits for
 * them with sigwait; returns the two. A peer that is gone is an error of the write, no signal. */
sigset_t ub_process_hold_signals(void);

/* A thread that gets no signals: they are the main thread's. `name` has at most 15 letters. False when
 * the system has none to give. */
bool ub_process_start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *user);

#endif
