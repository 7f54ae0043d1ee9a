/* flight_codec.h - the fields of a flight record as bytes, little-endian, and back.
 *
 * Both cursors have a sticky error: write or read straight down, look at `failed` once. A reading
 * cursor that ran over its end gives zeros. */
#ifndef UB_OBSERVE_FLIGHT_CODEC_H
#define UB_OBSERVE_FLIGHT_CODEC_H

#include "observe/flight.h"

struct ub_flight_out {
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

struct ub_flight_in {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

void ub_flight_put(struct ub_flight_out *out, uint64_t value, int bytes);
uint64_t ub_flight_get(struct ub_flight_in *in, int bytes);

void ub_flight_put_limits(struct ub_flight_out *out, const struct ub_brain_limits *limits);
void ub_flight_get_limits(struct ub_flight_in *in, struct ub_brain_limits *limits);
void ub_flight_put_event(struct ub_flight_out *out, const struct ub_event *event);

/* False: the bytes are not an event (`in->failed`), or no memory for its routes. */
bool ub_flight_get_event(struct ub_flight_in *in, struct ub_flight_reader *reader,
                         struct ub_event *event);

/* What the reader has read of routes. */
void ub_flight_free_routes(struct ub_flight_reader *reader);

/* No event of a brain with these limits is longer. */
size_t ub_flight_event_max(const struct ub_brain_limits *limits);

#endif
