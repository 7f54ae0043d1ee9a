/* tenants.h - tenants, and what they may ask of which model: a part of the brain's memory (state.h),
 * for the files of the brain only. */
#ifndef UB_POLICY_TENANTS_H
#define UB_POLICY_TENANTS_H

#include "policy/brain.h"
#include "policy/limit.h"
#include "policy/retry.h"

struct request;

/* What is used of a quota. */
struct meter {
    struct ub_limit requests, tokens;
};

struct tenant {
    uint64_t key;
    uint16_t first_share; /* its shares, linked */
    uint16_t next_free;
    uint8_t class;
    bool listed;              /* in the current routes */
    bool shared;              /* with other gateways */
    uint16_t part;            /* of `whole` that is ours, of UB_PART_WHOLE */
    uint32_t requests;        /* in the house, whose outcome is not decided */
    uint32_t concurrency;     /* 0 = no limit */
    ub_ns stay_ns;            /* mean time that its requests are in the house; 0 = no sample yet */
    struct ub_budget returns; /* retries of its clients */
    uint64_t asked, asked_tokens; /* at the door, so far */
    uint32_t whole_concurrency;
    struct ub_quota whole;
    struct ub_quota quota; /* our part, as `concurrency` */
    struct meter meter;
};

/* Belongs to the current routes: a share that they do not name is given back at once. */
struct share {
    uint16_t tenant;
    uint16_t model;
    uint16_t next_of_tenant;
    uint16_t next_free;
    bool listed;
    struct ub_quota whole;
    struct ub_quota quota; /* our part */
    struct meter meter;
};

/* tenants.c: new routes take the place of the old; who comes in and goes out. */
void adopt_tenants(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now);
const char *refuse_tenants(const struct ub_brain *brain, const struct ub_routes *routes);
uint16_t find_tenant(const struct ub_brain *brain, uint64_t key, uint32_t hint);
uint16_t find_share(const struct ub_brain *brain, const struct tenant *tenant, uint16_t model);
void tenant_enters(struct ub_brain *brain, struct request *request,
                   const struct ub_arrival *arrival);
void tenant_leaves(struct ub_brain *brain, struct request *request);

/* admit.c: the door. False: the request has been answered. */
bool admit(struct ub_brain *brain, struct request *request, const struct ub_arrival *arrival,
           ub_ns now);
void note_usage(struct request *request, const struct ub_event *event);
/* part.c: so much of the whole is ours. */
struct ub_quota quota_part(const struct ub_quota *whole, uint32_t part);
uint32_t concurrency_part(uint32_t whole, uint32_t part);
void tenant_part_told(struct ub_brain *brain, const struct ub_event *event);
void settle(struct ub_brain *brain, struct request *request);
void learn_stay(struct tenant *tenant, ub_ns stay_ns);
void adopt_quota(struct ub_quota *quota, struct meter *meter, const struct ub_quota *next,
                 ub_ns now);
/* Do the clients of its tenant retry little enough for this one to be told to? */
bool may_return(struct ub_brain *brain, const struct request *request, ub_ns now);

#endif
