/* config_files.h - the files that a configuration names: read, and checked that they will do. */
#ifndef UB_GATEWAY_CONFIG_FILES_H
#define UB_GATEWAY_CONFIG_FILES_H

#include "gateway/config_problems.h"
#include <stdbool.h>

#define UB_CONF_FILE_MAX     (4 << 20) /* the configuration itself */
#define UB_CONF_PEM_MAX      (1 << 20)
#define UB_CONF_KEY_FILE_MAX (16 << 10)

struct ub_conf_path {
    const char *path;
    const char *shown; /* how messages call it */
    struct ub_place at;
};

/* The whole of a regular file, at most `out->max` bytes. False: said why. */
bool ub_conf_file_read(struct ub_conf_problems *problems, const struct ub_conf_path *path,
                       struct ub_buf *out);

/* Certificate (with its chain) and private key load and belong together. */
void ub_conf_check_pair(struct ub_conf_problems *problems, const struct ub_conf_path *cert,
                        const struct ub_conf_path *key);

/* The file holds at least one certificate. */
void ub_conf_check_ca(struct ub_conf_problems *problems, const struct ub_conf_path *ca);

#endif
