#include "tools/serve.h"

#include "base/options.h"
#include "gateway/serve.h"
#include "tools/demo.h"
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_FILE "unbusy.yaml"

static const char *host_text(const struct ub_address *address)
{
    return address->host[0] == '\0' || strcmp(address->host, "*") == 0 ? "127.0.0.1"
                                                                       : address->host;
}

/* A word for a shell. */
static void print_word(const char *word)
{
    fputc('\'', stderr);
    for (const char *c = word; *c != '\0'; c++) {
        fputs(*c == '\'' ? "'\\''" : (char[2]){*c}, stderr);
    }
    fputs("' ", stderr);
}

static void print_url(const char *words, bool tls, const struct ub_address *address, uint16_t port)
{
    const char *host = host_text(address);
    bool six = strchr(host, ':') != NULL;
    fprintf(stderr, "%shttp%s://%s%s%s:%u", words, tls ? "s" : "", six ? "[" : "", host,
            six ? "]" : "", port);
}

/* For curl: our certificate is good also where nobody else has signed it, and it has to show one of
 * its own when clients have to. */
static void print_trust(const struct ub_config *config)
{
    if (config->tls_cert != NULL) {
        fputs("--cacert ", stderr);
        print_word(config->tls_cert);
    }
    if (config->tls_client_ca != NULL) {
        fputs("--cert CLIENT.pem --key CLIENT.key ", stderr);
    }
}

/* The first screen: what runs, and what to type. */
static void ready(void *user, const struct ub_gateway *gateway, uint16_t admin_port)
{
    const struct ub_config *config = gateway->setup->config;
    bool demo = *(const bool *)user;
    bool tls = config->tls_cert != NULL;
    const char *model = config->model_count > 0 ? config->models[0].name : "demo";
    fprintf(stderr, "unbusy %s: %u upstreams, %u models, %u threads%s\n", UB_VERSION,
            config->upstream_count, config->model_count, gateway->worker_count,
            demo ? " (demo: no unbusy.yaml here; the upstreams are mocks, one is slow, one fails)"
                 : "");
    for (uint32_t i = 0; i < config->listen_count; i++) {
        print_url("  API     ", tls, &config->listen[i], ub_gateway_port(gateway, i));
        fprintf(stderr, "/v1\n");
    }
    if (config->has_admin) {
        print_url("  admin   ", false, &config->admin, admin_port);
        fprintf(stderr, "/metrics  /healthz  /readyz\n");
    }
    fputs("\nTry:\n  curl -N ", stderr);
    print_trust(config);
    print_url("", tls, &config->listen[0], ub_gateway_port(gateway, 0));
    fprintf(stderr,
            "/v1/chat/completions -H 'content-type: application/json'%s \\\n"
            "    -d '{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\","
            "\"content\":\"Hello\"}]}'\n",
            config->tenant_count > 0 ? " -H \"authorization: Bearer $KEY\"" : "",
            strcmp(model, "*") == 0 ? "MODEL" : model);
    fflush(stderr);
}

static int serve(struct ub_config *config, const char *file, bool demo)
{
    int code = ub_serve(
        &(struct ub_serve_options){.config = config, .file = file, .ready = ready, .user = &demo});
    ub_config_release(config);
    return code;
}

static int complain(struct ub_buf *problems)
{
    fwrite(problems->ptr, 1, problems->len, stderr);
    ub_buf_free(problems);
    return UB_EXIT_USAGE;
}

static int serve_demo(void)
{
    struct ub_buf problems = {0};
    struct ub_demo *demo = ub_demo_start(&problems);
    struct ub_config *config = demo == NULL ? NULL : ub_demo_config(demo, &problems);
    int code = config == NULL ? complain(&problems) : serve(config, NULL, true);
    ub_demo_stop(demo);
    return code;
}

int ub_cmd_serve(int argc, char **argv)
{
    const char *file = NULL;
    const struct ub_option options[] = {
        {"config", "FILE", UB_OPTION_TEXT, &file, "the configuration (default: " DEFAULT_FILE ")"},
    };
    const struct ub_usage usage = {
        "serve", NULL,
        "Run the gateway. Without a file it serves the account that DEEPSEEK_API_KEY (or\n"
        "OPENAI_API_KEY with OPENAI_BASE_URL) names, and without these a demo.\n"
        "SIGTERM drains, SIGHUP loads the file again.",
        options, UB_COUNT(options)};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    if (file == NULL && access(DEFAULT_FILE, F_OK) == 0) {
        file = DEFAULT_FILE;
    }
    struct ub_buf problems = {0};
    struct ub_config *config =
        file != NULL ? ub_config_load(file, &problems) : ub_config_from_environment(&problems);
    if (config == NULL) {
        return file != NULL || problems.len > 0 ? complain(&problems) : serve_demo();
    }
    ub_buf_free(&problems);
    return serve(config, file, false);
}
