#include "gateway/ask.h"

static void add(struct ub_ask *ask, struct ub_slice name, struct ub_slice value)
{
    ask->fields[ask->request.field_count++] = (struct ub_http_field){name, value};
}

static void add_fields(struct ub_ask *ask, const struct ub_request *request)
{
    add(ask, UB_LIT("X-Request-Id"), ub_slice_of(request->name));
    for (uint32_t i = 0; i < request->passed_count; i++) {
        add(ask, request->passed[i].name, request->passed[i].value);
    }
}

struct ub_slice ub_ask_model(const struct ub_request *request, const struct ub_site *site)
{
    const struct ub_setup *setup = request->view->setup;
    return ub_config_upstream_model(setup->config, (uint32_t)(site - setup->sites),
                                    (uint32_t)request->model,
                                    ub_slice_of(ub_scan_fields(request->scan)->model_name));
}

void ub_ask_write(struct ub_ask *ask, struct ub_request *request, const struct ub_site *site)
{
    const struct ub_setup *setup = request->view->setup;
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    struct ub_slice model = ub_ask_model(request, site);
    ask->request = (struct ub_call_request){
        .method = UB_LIT("POST"),
        .target = site->target[request->endpoint],
        .lines = ub_buf_slice(&site->lines[request->stream]),
        .fields = ask->fields,
        .body = ask->parts,
        .body_count = ub_splice(request->body_bytes, asked, model, request->stream, ask->parts),
        .connect_by_ns = setup->config->connect_time_ns,
    };
    add_fields(ask, request);
}
