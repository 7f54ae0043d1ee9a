#include "gateway/config_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, struct ub_buf *out)
{
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            explicit_bzero(chunk, sizeof chunk); /* it may have held a key */
            return got == 0;
        }
        bool fits = out->len + (size_t)got <= out->max;
        ub_buf_add(out, chunk, (size_t)got);
        if (out->failed) {
            errno = fits ? ENOMEM : EFBIG;
            return false;
        }
    }
}

bool ub_conf_file_read(struct ub_conf_problems *problems, const struct ub_conf_path *path,
                       struct ub_buf *out)
{
    /* O_NONBLOCK: opening a named pipe must not wait for its writer. */
    int fd = open(path->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        ub_conf_problem(problems, path->at, "cannot read %s: %s", path->shown, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    bool good = false;
    if (!S_ISREG(info.st_mode)) {
        ub_conf_problem(problems, path->at, "cannot read %s: not a regular file", path->shown);
    } else if (!read_all(fd, out)) {
        ub_conf_problem(problems, path->at, "cannot read %s: %s", path->shown, strerror(errno));
    } else {
        good = true;
    }
    close(fd);
    return good;
}

/* A key behind a passphrase: never ask on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *user)
{
    return 0;
}

static BIO *open_pem(struct ub_conf_problems *problems, const struct ub_conf_path *path,
                     struct ub_buf *text)
{
    if (!ub_conf_file_read(problems, path, text)) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(text->len > 0 ? text->ptr : "", (int)text->len);
    if (bio == NULL) {
        ub_conf_problem(problems, path->at, "out of memory");
    }
    return bio;
}

static void close_pem(BIO *bio, struct ub_buf *text)
{
    BIO_free(bio);
    if (text->ptr != NULL) {
        explicit_bzero(text->ptr, text->len);
    }
    ub_buf_free(text);
    ERR_clear_error();
}

/* The first certificate of the file, or NULL after saying why. All of the file must load. */
static X509 *load_certificates(struct ub_conf_problems *problems, const struct ub_conf_path *path)
{
    struct ub_buf text = {.max = UB_CONF_PEM_MAX};
    BIO *bio = open_pem(problems, path, &text);
    X509 *first = NULL;
    if (bio != NULL) {
        first = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        X509 *more = first;
        while (more != NULL) {
            more = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
            X509_free(more);
        }
        /* The end of the file, too, is an error: "no start line". */
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
            X509_free(first);
            first = NULL;
        }
        if (first == NULL) {
            ub_conf_problem(problems, path->at, "%s holds no good certificate (PEM)", path->shown);
        }
    }
    close_pem(bio, &text);
    return first;
}

static EVP_PKEY *load_key(struct ub_conf_problems *problems, const struct ub_conf_path *path)
{
    struct ub_buf text = {.max = UB_CONF_PEM_MAX};
    BIO *bio = open_pem(problems, path, &text);
    EVP_PKEY *key = NULL;
    if (bio != NULL) {
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        if (key == NULL) {
            ub_conf_problem(problems, path->at, "%s holds no private key (PEM, without passphrase)",
                            path->shown);
        }
    }
    close_pem(bio, &text);
    return key;
}

void ub_conf_check_pair(struct ub_conf_problems *problems, const struct ub_conf_path *cert,
                        const struct ub_conf_path *key)
{
    X509 *certificate = load_certificates(problems, cert);
    EVP_PKEY *private_key = load_key(problems, key);
    if (certificate != NULL && private_key != NULL &&
        X509_check_private_key(certificate, private_key) != 1) {
        ub_conf_problem(problems, key->at, "this private key does not belong to the certificate");
    }
    X509_free(certificate);
    EVP_PKEY_free(private_key);
    ERR_clear_error();
}

void ub_conf_check_ca(struct ub_conf_problems *problems, const struct ub_conf_path *ca)
{
    X509_free(load_certificates(problems, ca));
}
