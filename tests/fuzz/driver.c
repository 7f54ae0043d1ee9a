/* Runs a fuzz target without a fuzzer: every file of the corpus, then a fixed number of mutations
 * of them from a fixed seed. The same on every machine and with every compiler. Prints TAP.
 *
 *     replay_TARGET [--runs N] [--seed S] [--dict FILE] [FILE or FOLDER]...
 *
 * When the target ends the process, its input is kept as crash-TARGET in the current folder, to be
 * given as FILE afterwards.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX  4096
#define INPUTS_MAX 4096
#define WORDS_MAX  256

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static int input_count;
static struct input words[WORDS_MAX]; /* of the dictionary */
static int word_count;
static struct input current;
static char crash_path[256];

static void keep_input(int number)
{
    int file = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0) {
        ssize_t written = write(file, current.data, current.size);
        (void)written;
        close(file);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void run(const uint8_t *data, size_t size)
{
    /* A copy of exactly this size, so that the address sanitizer sees reads beyond it. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    current = (struct input){copy, size};
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || input_count == INPUTS_MAX) {
        fprintf(stderr, "%s: %s\n", path, file == NULL ? strerror(errno) : "too many inputs");
        exit(2);
    }
    uint8_t *data = malloc(INPUT_MAX);
    if (data == NULL) {
        abort();
    }
    size_t size = fread(data, 1, INPUT_MAX, file);
    inputs[input_count++] = (struct input){data, size};
    fclose(file);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void add_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        add_file(name);
        free(entries[i]);
    }
    free(entries);
}

/* One line of a libFuzzer dictionary: [name=]"text", with \\, \" and \xAB. */
static void add_word(const char *line)
{
    const char *p = strchr(line, '"');
    if (line[0] == '#' || p == NULL || word_count == WORDS_MAX) {
        return;
    }
    uint8_t *data = malloc(strlen(p));
    if (data == NULL) {
        abort();
    }
    size_t size = 0;
    for (p++; *p != '"' && *p != '\0'; p++) {
        if (p[0] == '\\' && p[1] == 'x') {
            char digits[3] = {p[2], p[2] == '\0' ? '\0' : p[3], '\0'};
            data[size++] = (uint8_t)strtoul(digits, NULL, 16);
            p += 3;
        } else {
            p += p[0] == '\\';
            data[size++] = (uint8_t)p[0];
        }
    }
    words[word_count++] = (struct input){data, size};
}

static void read_dictionary(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    char line[1024];
    while (fgets(line, sizeof line, file) != NULL) {
        add_word(line);
    }
    fclose(file);
}

/* Puts `size` bytes in place of the `gone` bytes at `at`, as far as there is room. */
static void replace(struct input *input, size_t at, size_t gone, const uint8_t *data, size_t size)
{
    if (input->size - gone + size > INPUT_MAX) {
        return;
    }
    memmove(input->data + at + size, input->data + at + gone, input->size - at - gone);
    memcpy(input->data + at, data, size);
    input->size = input->size - gone + size;
}

static uint32_t below(struct ub_random *random, size_t n)
{
    return n == 0 ? 0 : ub_random_below(random, (uint32_t)n);
}

static void mutate(struct input *input, struct ub_random *random)
{
    static const uint8_t special[] = "\r\n\t :;,\"\\0/\x00\x7f\x80\xff";
    size_t at = below(random, input->size + 1);
    size_t left = input->size - at;
    uint8_t byte = (uint8_t)ub_random_u64(random);
    const struct input *other = &inputs[below(random, (size_t)input_count)];
    size_t other_at = below(random, other->size);
    size_t other_len = below(random, other->size - other_at + 1);
    switch (below(random, 8)) {
    case 0: /* flip a bit */
        byte = (uint8_t)(left == 0 ? byte : input->data[at] ^ (1u << (byte & 7)));
        replace(input, at, left > 0, &byte, 1);
        break;
    case 1: /* another byte */
        replace(input, at, left > 0, &byte, 1);
        break;
    case 2: /* a byte that means something to somebody */
        replace(input, at, byte & 1 && left > 0, &special[below(random, sizeof special)], 1);
        break;
    case 3: /* cut out a piece */
        replace(input, at, below(random, left < 32 ? left + 1 : 32), &byte, 0);
        break;
    case 4: { /* say a piece twice */
        uint8_t piece[64];
        size_t len = below(random, left < sizeof piece ? left + 1 : sizeof piece);
        memcpy(piece, input->data + at, len);
        replace(input, at, 0, piece, len);
        break;
    }
    case 5: /* a piece of another input */
        replace(input, at, below(random, left + 1), other->data + other_at, other_len);
        break;
    case 6: /* cut the end off */
        input->size = at;
        break;
    default: /* a word of the dictionary */
        if (word_count > 0) {
            const struct input *word = &words[below(random, (size_t)word_count)];
            replace(input, at, byte & 1 ? below(random, left < 16 ? left + 1 : 16) : 0, word->data,
                    word->size);
        }
    }
}

static void run_mutations(long runs, uint64_t seed)
{
    static uint8_t scratch[INPUT_MAX];
    for (long i = 0; i < runs; i++) {
        struct ub_random random = {ub_mix64(seed) + (uint64_t)i};
        const struct input *from = &inputs[below(&random, (size_t)input_count)];
        struct input input = {scratch, from->size};
        memcpy(scratch, from->data, from->size);
        for (uint32_t steps = 1 + below(&random, 6); steps > 0; steps--) {
            mutate(&input, &random);
        }
        run(input.data, input.size);
    }
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') == NULL ? argv[0] : strrchr(argv[0], '/') + 1;
    long runs = 0;
    unsigned long seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--dict") == 0 && i + 1 < argc) {
            read_dictionary(argv[++i]);
        } else {
            add_path(argv[i]);
        }
    }
    snprintf(crash_path, sizeof crash_path, "crash-%s", name);
    signal(SIGABRT, keep_input);
    signal(SIGSEGV, keep_input);
    if (input_count == 0) {
        fprintf(stderr, "%s: no input\n", name);
        return 2;
    }
    for (int i = 0; i < input_count; i++) {
        run(inputs[i].data, inputs[i].size);
    }
    printf("ok 1 - %s: %d inputs of the corpus\n", name, input_count);
    run_mutations(runs, seed);
    printf("ok 2 - %s: %ld mutations from seed %lu\n1..2\n", name, runs, seed);
    return 0;
}
