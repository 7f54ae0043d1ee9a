#include "gateway/ask.h"

#include "gateway/degrade.h"

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
    uint32_t model = ub_degrade_model(request);
    const char *name = model == (uint32_t)request->model ? ub_scan_fields(request->scan)->model_name
                                                         : setup->config->models[model].name;
    return ub_config_upstream_model(setup->config, (uint32_t)(site - setup->sites), model,
                                    ub_slice_of(name));
}

void ub_ask_write(struct ub_ask *ask, struct ub_request *request, const struct ub_site *site,
                  struct ub_shorter *shorter)
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
        .connect_by_ns = setup->config->connect_time_ns,
    };
    add_fields(ask, request);
    shorter->tokens = ub_degrade_tokens(request);
    if (shorter->tokens == 0) {
        ask->request.body_count =
            ub_splice(request->body_bytes, asked, model, request->stream, ask->parts);
        return;
    }
    /* OpenAI's newer models know no other name; engines know the old one best. */
    shorter->new_name =
        request->endpoint == UB_ENDPOINT_CHAT && site->config->dialect == UB_DIALECT_OPENAI;
    ask->request.body_count =
        ub_splice_shorter(request->body_bytes, asked, model, request->stream, shorter, ask->parts);
}
