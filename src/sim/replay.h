/* replay.h - takes the decisions of a flight record again, and compares.
 *
 * The brain is restored from a snapshot of the record, told the same events, and drained of as many
 * actions as the body drained; the digest of the actions must be the recorded one at every event.
 */
#ifndef UB_SIM_REPLAY_H
#define UB_SIM_REPLAY_H

#include "base/buf.h"
#include "observe/flight.h"

struct ub_replay_options {
    uint64_t from;     /* begin at the last snapshot that is not after this event; 0 = the first */
    struct ub_buf *to; /* the decisions as a trace; NULL = none */
};

enum ub_replay_end {
    UB_REPLAY_SAME,     /* to the end mark */
    UB_REPLAY_OPEN,     /* the same, but the recorder was not closed */
    UB_REPLAY_TORN,     /* the same up to a last record that is not whole */
    UB_REPLAY_CORRUPT,  /* a record is damaged */
    UB_REPLAY_STRANGE,  /* not a flight record, or none of this version */
    UB_REPLAY_DIVERGED, /* other decisions */
    UB_REPLAY_NO_MEMORY,
};

struct ub_replay_result {
    enum ub_replay_end end;
    const char *words;
    uint64_t event;   /* the last one that was replayed; DIVERGED: the one decided otherwise */
    uint64_t events;  /* replayed */
    uint64_t actions; /* compared */
    uint64_t dropped; /* lost by the recorder, as far as read */
    size_t offset;    /* TORN, CORRUPT: where */
};

struct ub_replay_result ub_replay(const void *bytes, size_t size,
                                  const struct ub_replay_options *options);

/* unbusy replay FILE */
int ub_cmd_replay(int argc, char **argv);

#endif
