/* The examples, the documentation, and the files that a configuration names. */
#include "base/test.h"
#include "gateway/config.h"
#include "gateway/config_doc.h"
#include "gateway/config_files.h"
#include "gateway/config_schema.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/unbusy-config-XXXXXX";

static void write_text(const char *name, struct ub_slice text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    UB_CHECK(file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0,
             "wrote %s", name);
}

/* A key and a certificate signed with it, named NAME.key and NAME.pem. */
static void write_certificate(const char *name)
{
    char path[256];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    snprintf(path, sizeof path, "%s/%s.pem", folder, name);
    FILE *file = fopen(path, "w");
    UB_CHECK(file != NULL && PEM_write_X509(file, certificate) == 1, "wrote %s.pem", name);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s.key", folder, name);
    file = fopen(path, "w");
    UB_CHECK(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
             "wrote %s.key", name);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s.locked", folder, name);
    file = fopen(path, "w");
    UB_CHECK(file != NULL &&
                 PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *)"pass",
                                      4, NULL, NULL) == 1,
             "wrote %s.locked", name);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* `@` in a row stands for the folder. */
static const struct {
    const char *name;
    const char *yaml; /* behind the upstreams, or in place of the first one's end */
    const char *want;
} rows[] = {
    {"certificate and key", "tls: {cert: a.pem, key: a.key}\n", ""},
    {"by their whole paths", "tls: {cert: @/a.pem, key: @/a.key, client_ca: @/b.pem}\n", ""},
    {"a key of another certificate", "tls: {cert: a.pem, key: b.key}\n",
     "@/f:2:25: this private key does not belong to the certificate\n"},
    {"no such file", "tls: {cert: none, key: a.key}\n",
     "@/f:2:13: cannot read @/none: No such file or directory\n"},
    {"a folder", "tls: {cert: ., key: a.key}\n", "@/f:2:13: cannot read @/.: not a regular file\n"},
    {"a named pipe does not block", "tls: {cert: pipe, key: a.key}\n",
     "@/f:2:13: cannot read @/pipe: not a regular file\n"},
    {"a key in place of the certificate", "tls: {cert: a.key, key: a.key}\n",
     "@/f:2:13: @/a.key holds no good certificate (PEM)\n"},
    {"a certificate in place of the key", "tls: {cert: a.pem, key: a.pem}\n",
     "@/f:2:25: @/a.pem holds no private key (PEM, without passphrase)\n"},
    {"a key behind a passphrase", "tls: {cert: a.pem, key: a.locked}\n",
     "@/f:2:25: @/a.locked holds no private key (PEM, without passphrase)\n"},
    {"a good certificate, then a bad one", "tls: {cert: bad.pem, key: a.key}\n",
     "@/f:2:13: @/bad.pem holds no good certificate (PEM)\n"},
    {"an empty file", "tls: {cert: empty, key: a.key}\n",
     "@/f:2:13: @/empty holds no good certificate (PEM)\n"},
    {"a file that is no CA", "tls: {cert: a.pem, key: a.key, client_ca: empty}\n",
     "@/f:2:43: @/empty holds no good certificate (PEM)\n"},
    {"an upstream's CA", "models: [{name: m, tiers: [[a]]}]\n", ""},
};

/* Every '@' replaced by the folder. */
static void fill_in(struct ub_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            ub_buf_add_text(out, folder);
        } else {
            ub_buf_add(out, text, 1);
        }
    }
    ub_buf_add(out, "", 1);
}

static void check_rows(void)
{
    char file[256];
    snprintf(file, sizeof file, "%s/f", folder);
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_buf yaml = {0}, want = {0}, problems = {0};
        ub_buf_add_text(&yaml, "upstreams: [{name: a, url: 'https://h', ca: b.pem}]\n");
        fill_in(&yaml, rows[i].yaml);
        yaml.len--; /* without its zero */
        fill_in(&want, rows[i].want);
        struct ub_config *config = ub_config_parse(file, ub_buf_slice(&yaml), &problems);
        ub_buf_add(&problems, "", 1);
        UB_CHECK_TEXT(problems.ptr, want.ptr, "%s", rows[i].name);
        ub_config_release(config);
        ub_buf_free(&yaml);
        ub_buf_free(&want);
        ub_buf_free(&problems);
    }
}

static const struct {
    const char *name;
    const char *content;
    const char *want; /* the key, or the problem when it begins with "f:" */
} key_rows[] = {
    {"a key", "sk-1", "sk-1"},
    {"white space around it is dropped", " \tsk-1 \r\n\n", "sk-1"},
    {"two lines", "sk-1\nsk-2\n",
     "f:1:50: the key in this file takes visible ASCII characters only, no spaces and no line "
     "ends\n"},
    {"nothing", "\n", "f:1:50: the key in this file must not be empty\n"},
};

static void check_key_files(void)
{
    char file[256];
    snprintf(file, sizeof file, "%s/f", folder);
    for (size_t i = 0; i < UB_COUNT(key_rows); i++) {
        struct ub_buf problems = {0};
        write_text("secret", ub_slice_of(key_rows[i].content));
        struct ub_config *config = ub_config_parse(
            file, UB_LIT("upstreams: [{name: a, url: 'http://h', key_file: secret}]"), &problems);
        ub_buf_add(&problems, "", 1);
        if (config != NULL) {
            UB_CHECK_TEXT(config->upstreams[0].key, key_rows[i].want, "%s", key_rows[i].name);
        } else {
            UB_CHECK_TEXT(problems.ptr + strlen(folder) + 1, key_rows[i].want, "%s",
                          key_rows[i].name);
        }
        ub_config_release(config);
        ub_buf_free(&problems);
    }
}

static void read_source(const char *root, const char *name, struct ub_buf *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    struct ub_arena arena = {0};
    struct ub_conf_problems problems = {.arena = &arena};
    out->max = UB_CONF_FILE_MAX;
    const struct ub_conf_path file = {path, name, {1, 1}};
    UB_CHECK(ub_conf_file_read(&problems, &file, out), "%s", name);
    ub_arena_free(&arena, false);
}

/* An example is good in the folder where the files are that it names. */
static void check_example(const char *root, const char *name)
{
    struct ub_buf text = {0}, problems = {0};
    char path[512];
    snprintf(path, sizeof path, "deploy/examples/%s", name);
    read_source(root, path, &text);
    write_text(name, ub_buf_slice(&text));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct ub_config *config = ub_config_load(path, &problems);
    UB_CHECK(config != NULL && problems.len == 0, "%s is good: %.*s", name,
             UB_SLICE_ARG(ub_buf_slice(&problems)));
    ub_config_release(config);
    ub_buf_free(&text);
    ub_buf_free(&problems);
}

/* The full example has every key of the schema. */
static void check_full(const struct ub_conf_section *section, struct ub_slice text)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct ub_conf_field *field = &section->fields[i];
        char key[64];
        snprintf(key, sizeof key, "%s:", field->key);
        if (field->shape != UB_SHAPE_LATER) {
            UB_CHECK(memmem(text.ptr, text.len, key, strlen(key)) != NULL, "full.yaml has %s", key);
        }
        if (field->section != NULL) {
            check_full(field->section, text);
        }
    }
}

static void check_documents(const char *root)
{
    struct ub_buf text = {0}, doc = {0};
    setenv("DEEPSEEK_API_KEY", "sk-1", 1);
    setenv("RESELLER_A_KEY", "sk-2", 1);
    setenv("RESELLER_B_KEY", "sk-3", 1);
    check_example(root, "minimal.yaml");
    check_example(root, "deepseek.yaml");
    check_example(root, "full.yaml");
    read_source(root, "deploy/examples/full.yaml", &text);
    check_full(&ub_conf_root_section, ub_buf_slice(&text));

    ub_buf_clear(&text);
    read_source(root, "docs/CONFIG.md", &text);
    ub_buf_add(&text, "", 1);
    ub_conf_doc(&doc);
    ub_buf_add(&doc, "", 1);
    UB_CHECK_TEXT(text.ptr, doc.ptr, "docs/CONFIG.md is what `unbusy config-doc` prints");
    ub_buf_free(&text);
    ub_buf_free(&doc);
}

static void write_files(void)
{
    char path[256];
    struct ub_buf bad = {0};
    UB_CHECK(mkdtemp(folder) != NULL, "a folder of our own");
    write_certificate("a");
    write_certificate("b");
    write_certificate("server");
    write_certificate("ca");
    write_text("empty", UB_LIT(""));
    write_text("rack.key", UB_LIT("sk-rack\n"));
    read_source(folder, "a.pem", &bad);
    ub_buf_add_text(&bad, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write_text("bad.pem", ub_buf_slice(&bad));
    ub_buf_free(&bad);
    snprintf(path, sizeof path, "%s/pipe", folder);
    UB_CHECK(mkfifo(path, 0600) == 0, "a named pipe");
}

static void remove_files(void)
{
    static const char *const names[] = {
        "a.pem",    "a.key",        "a.locked",      "b.pem",         "b.key",
        "b.locked", "server.pem",   "server.key",    "server.locked", "ca.pem",
        "ca.key",   "ca.locked",    "empty",         "rack.key",      "bad.pem",
        "pipe",     "minimal.yaml", "deepseek.yaml", "full.yaml",     "secret"};
    char path[256];
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    UB_CHECK(rmdir(folder) == 0, "nothing is left behind");
}

int main(int argc, char **argv)
{
    UB_CHECK(argc == 2, "called with the root of the source");
    write_files();
    check_rows();
    check_key_files();
    check_documents(argv[1]);
    remove_files();
    return ub_test_done();
}
