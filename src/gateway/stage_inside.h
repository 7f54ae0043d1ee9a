/* stage_inside.h - what the two halves of the stage know of each other. */
#ifndef UB_GATEWAY_STAGE_INSIDE_H
#define UB_GATEWAY_STAGE_INSIDE_H

#include "gateway/stage.h"

struct ub_actor *ub_actor_start(const char *const *scripts);
uint16_t ub_actor_port(const struct ub_actor *actor);
void ub_actor_stop(struct ub_actor *actor);

#endif
