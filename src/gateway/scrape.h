/* scrape.h - the text of /metrics: what the workers counted, and what is looked up for it. */
#ifndef UB_GATEWAY_SCRAPE_H
#define UB_GATEWAY_SCRAPE_H

#include "gateway/admin.h"

void ub_scrape(struct ub_admin *admin, struct ub_buf *out);

#endif
