/* load.h - `unbusy load`: requests at the times a plan says, and what became of them. */
#ifndef UB_TOOLS_LOAD_H
#define UB_TOOLS_LOAD_H

int ub_cmd_load(int argc, char **argv);

#endif
