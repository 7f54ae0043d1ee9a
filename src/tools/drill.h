/* drill.h - `unbusy drill` */
#ifndef UB_TOOLS_DRILL_H
#define UB_TOOLS_DRILL_H

int ub_cmd_drill(int argc, char **argv);

#endif
