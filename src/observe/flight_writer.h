/* flight_writer.h - the thread that writes a flight record into a file.
 *
 * The file is bounded: beyond `file_max` bytes it is renamed to FILE.1 (what was FILE.1 is gone) and
 * a new FILE begins with a snapshot of its own, so each of the two can be replayed alone. An older
 * FILE is kept as FILE.1 at start. When the disk refuses, the rest of that file is lost, and a new
 * one is begun ten seconds later; requests never wait for the disk.
 */
#ifndef UB_OBSERVE_FLIGHT_WRITER_H
#define UB_OBSERVE_FLIGHT_WRITER_H

#include "observe/flight.h"

struct ub_flight_writer;

/* NULL when the file cannot be opened, or no memory or thread; `words` then says why. The flight
 * record must outlive the writer. `file_max` 0: 256 MiB. */
struct ub_flight_writer *ub_flight_writer_open(const char *path, struct ub_flight *flight,
                                               uint64_t file_max, const char **words);

/* Writes what is left, ends the thread, frees. Before it: ub_flight_end. NULL is fine. */
void ub_flight_writer_close(struct ub_flight_writer *writer);

#endif
