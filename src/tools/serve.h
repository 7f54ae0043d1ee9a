/* serve.h - `unbusy serve`: finds its configuration and runs the gateway, or the demo. */
#ifndef UB_TOOLS_SERVE_H
#define UB_TOOLS_SERVE_H

int ub_cmd_serve(int argc, char **argv);

#endif
