#include "http/seam.h"

#include "base/random.h"
#include "base/test.h"

#define PROOF 32

static const char *const verdicts[] = {"undecided", "remainder", "restart", "divergence"};

struct row {
    const char *name;
    const char *has;  /* what was delivered */
    const char *said; /* by the new attempt */
    const char *want; /* for the client */
    enum ub_seam_verdict verdict;
};

#define SONG "Row, row, row your boat, gently down the stream."
#define LONG "Certainly! The capital of France is Paris, which lies on the Seine."

/* A prefill was asked for. */
static const struct row remainders[] = {
    {"the rest of a sentence", "The server is", " busy.", " busy.", UB_SEAM_REMAINDER},
    {"the rest of a word", "The serv", "er is busy.", "er is busy.", UB_SEAM_REMAINDER},
    {"nothing is missing but the end", "The server is busy.", "", "", UB_SEAM_REMAINDER},
    {"it begins with the same letter", "The server", "Take that", "Take that", UB_SEAM_REMAINDER},
    {"all of it from the top", LONG, LONG " It is old.", " It is old.", UB_SEAM_RESTART},
    {"from the top, and no more", LONG, LONG, "", UB_SEAM_RESTART},
    {"from the top in other words", LONG, "Certainly! The capital of France is Lyon.", "",
     UB_SEAM_DIVERGENCE},
    {"from the top, and then too short", LONG, "Certainly! The capital of France is", "",
     UB_SEAM_DIVERGENCE},
    {"a few words of repetition are no proof", LONG, "Certainly! The capital is not old.",
     "Certainly! The capital is not old.", UB_SEAM_REMAINDER},
    {"a short beginning is said again", "Certainl", "Certainly, yes.", "y, yes.", UB_SEAM_RESTART},
    {"a very short one may well be said twice", "very ", "very good", "very good",
     UB_SEAM_REMAINDER},
    {"an enumeration goes on", "- ", "- two", "- two", UB_SEAM_REMAINDER},
    {"laughter goes on", "ha ha ha ha ", "ha ha ha ha ha", "ha ha ha ha ha", UB_SEAM_REMAINDER},
    {"zeros go on", "0000000000000000000000000000000000000000",
     "00000000000000000000000000000000000000000000", "00000000000000000000000000000000000000000000",
     UB_SEAM_REMAINDER},
    {"the rule of a table goes on", "| --- | --- |", " --- | --- |", " --- | --- |",
     UB_SEAM_REMAINDER},
    {"a song that repeats its refrain goes on with it",
     SONG " Merrily we go. " SONG " Life is but a dream. ", SONG " If you see a crocodile",
     SONG " If you see a crocodile", UB_SEAM_REMAINDER},
    {"a verse that was heard once is not proof enough until it differs", SONG " ",
     "Row, row, row your boat, gently up the river.", "", UB_SEAM_DIVERGENCE},
    {"the end of the text is no beginning", LONG, "the Seine. It is old.", "the Seine. It is old.",
     UB_SEAM_REMAINDER},
    {"Chinese, the rest", "\xe6\x9c\x8d\xe5\x8a\xa1", "\xe5\x99\xa8", "\xe5\x99\xa8",
     UB_SEAM_REMAINDER},
    {"two characters that begin with the same bytes", "\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\x97",
     "\xe4\xbd\x97", UB_SEAM_REMAINDER},
    {"Chinese from the top", "\xe6\x9c\x8d\xe5\x8a\xa1\xe5\x99\xa8\xe7\xb9\x81",
     "\xe6\x9c\x8d\xe5\x8a\xa1\xe5\x99\xa8\xe7\xb9\x81\xe5\xbf\x99", "\xe5\xbf\x99",
     UB_SEAM_RESTART},
    {"from the top with a space in front, as some tokenizers do it", LONG, " " LONG " Yes.",
     " Yes.", UB_SEAM_RESTART},
    {"from the top without the space in front", " " LONG, LONG " Yes.", " Yes.", UB_SEAM_RESTART},
    /* White space, as in seam.h. */
    {"the space that was not handed over is swallowed", "the ", " end", "end", UB_SEAM_REMAINDER},
    {"a server trimmed it", "the ", "end", "end", UB_SEAM_REMAINDER},
    {"an indentation that was cut is completed", "if x:\n   ", "\n    return", " return",
     UB_SEAM_REMAINDER},
    {"a line break that stands already makes a space needless", "one.\n\n", " Two", "Two",
     UB_SEAM_REMAINDER},
    {"a line break is not lost", "one. ", "\n\nTwo", "\n\nTwo", UB_SEAM_REMAINDER},
    {"spaces before a line break are", "one.  ", " \nTwo", "\nTwo", UB_SEAM_REMAINDER},
    {"another indentation is not lost", "if x:\n   ", "\n  return", "\n  return",
     UB_SEAM_REMAINDER},
    {"one line break less", "one.\n\n", "\nTwo", "Two", UB_SEAM_REMAINDER},
    {"one line break more", "one.\n", "\n\nTwo", "\nTwo", UB_SEAM_REMAINDER},
    {"more spaces than were there", "a ", "   b", "  b", UB_SEAM_REMAINDER},
    {"nothing but white space was delivered", "\n\n", "\n\nText", "Text", UB_SEAM_REMAINDER},
    {"nothing but white space follows", "one.\n", "\n\n", "\n", UB_SEAM_REMAINDER},
    {"nothing at all was delivered", "", " Text", " Text", UB_SEAM_REMAINDER},
};

/* The same request once more. */
static const struct row restarts[] = {
    {"all of it, and more", "The server", "The server is busy.", " is busy.", UB_SEAM_RESTART},
    {"laughter", "ha ha ", "ha ha ha ha", "ha ha", UB_SEAM_RESTART},
    {"one letter", "T", "The end", "he end", UB_SEAM_RESTART},
    {"other words", "The server", "The serving", "", UB_SEAM_DIVERGENCE},
    {"other words from the first on", "The server", "A server", "", UB_SEAM_DIVERGENCE},
    {"too short", "The server", "The serv", "", UB_SEAM_DIVERGENCE},
    {"nothing", "The server", "", "", UB_SEAM_DIVERGENCE},
    {"the same, and no more", "The server", "The server", "", UB_SEAM_RESTART},
    {"white space in front does not count", "\n\nThe server", " The server is", " is",
     UB_SEAM_RESTART},
    {"white space at the end is fitted", "The server ", "The server is", "is", UB_SEAM_RESTART},
    {"a line break instead of the space", "The server ", "The server\nis", "\nis", UB_SEAM_RESTART},
    {"white space inside does count", "The server", "The  server", "", UB_SEAM_DIVERGENCE},
    {"only white space was delivered", "\n", "\n\nText", "\nText", UB_SEAM_RESTART},
    {"only white space was delivered, and nothing follows", "\n", "", "", UB_SEAM_RESTART},
    {"white space at the end, and no more", "a\n", "a\n\n", "\n", UB_SEAM_RESTART},
};

static enum ub_seam_verdict run(const struct row *row, bool restart, struct ub_random *random,
                                size_t piece, struct ub_buf *out)
{
    struct ub_slice has = ub_slice_of(row->has);
    struct ub_slice said = ub_slice_of(row->said);
    struct ub_seam seam;
    ub_buf_clear(out);
    ub_seam_init(&seam, has, restart, PROOF);
    while (said.len > 0) {
        size_t len = random == NULL ? piece : 1 + ub_random_below(random, 12);
        len = len < said.len ? len : said.len;
        ub_seam_add(&seam, has, (struct ub_slice){said.ptr, len}, out);
        said.ptr += len;
        said.len -= len;
    }
    ub_seam_end(&seam, has, out);
    ub_buf_add(out, "", 1);
    return seam.verdict;
}

static void test_rows(const struct row *rows, size_t count, bool restart)
{
    struct ub_buf out = {0};
    struct ub_random random = {1};
    for (size_t i = 0; i < count; i++) {
        enum ub_seam_verdict verdict = run(&rows[i], restart, NULL, SIZE_MAX, &out);
        UB_CHECK(verdict == rows[i].verdict, "%s: %s", rows[i].name, verdicts[verdict]);
        UB_CHECK_TEXT(out.ptr, rows[i].want, "%s: the text", rows[i].name);
        bool same = true;
        for (int n = 0; n < 50; n++) {
            enum ub_seam_verdict again = run(&rows[i], restart, n == 0 ? NULL : &random, 1, &out);
            same = same && again == verdict && strcmp(out.ptr, rows[i].want) == 0;
        }
        UB_CHECK(same, "%s: however it is cut", rows[i].name);
    }
    ub_buf_free(&out);
}

/* What is held back, and until when. */
static void test_patience(void)
{
    struct ub_slice has = UB_LIT(LONG);
    struct ub_buf out = {0};
    struct ub_seam seam;
    ub_seam_init(&seam, has, false, PROOF);
    UB_CHECK(ub_seam_add(&seam, has, UB_LIT("\n Cert"), &out) == UB_SEAM_UNDECIDED && out.len == 0,
             "what repeats the beginning is held back");
    ub_seam_add(&seam, has, UB_LIT("ify"), &out);
    UB_CHECK(seam.verdict == UB_SEAM_REMAINDER && ub_slice_is(ub_buf_slice(&out), "\n Certify"),
             "the first byte that differs sets all of it free");
    ub_buf_clear(&out);
    ub_seam_init(&seam, has, true, PROOF);
    UB_CHECK(ub_seam_add(&seam, has, UB_LIT("Certify"), &out) == UB_SEAM_DIVERGENCE,
             "in a restart the first byte that differs is the end");
    UB_CHECK(ub_seam_add(&seam, has, UB_LIT("more"), &out) == UB_SEAM_DIVERGENCE && out.len == 0,
             "and nothing follows on it");
    ub_buf_free(&out);
}

/* White space without end is not held without end. */
static void test_blank_flood(void)
{
    struct ub_buf out = {0};
    struct ub_seam seam;
    struct ub_slice has = UB_LIT("text");
    ub_seam_init(&seam, has, false, PROOF);
    for (int i = 0; i < UB_SEAM_BLANK + 10; i++) {
        ub_seam_add(&seam, has, UB_LIT(" "), &out);
    }
    UB_CHECK(seam.verdict == UB_SEAM_REMAINDER && out.len == UB_SEAM_BLANK + 10,
             "at most %d bytes of white space are held (%zu are out)", UB_SEAM_BLANK, out.len);
    ub_buf_clear(&out);
    ub_seam_init(&seam, has, true, PROOF);
    for (int i = 0; i < 2 * UB_SEAM_BLANK; i++) {
        ub_seam_add(&seam, has, UB_LIT("\n"), &out);
    }
    ub_seam_add(&seam, has, UB_LIT("text!"), &out);
    UB_CHECK(seam.verdict == UB_SEAM_RESTART && ub_slice_is(ub_buf_slice(&out), "!"),
             "in front of a restart any amount is swallowed");
    ub_buf_free(&out);
}

/* Without a proof that suits it, an upstream that ignores prefills would be believed. */
static void test_proof(void)
{
    struct ub_buf out = {0};
    struct ub_seam seam;
    struct ub_slice has = UB_LIT(LONG);
    struct ub_slice said = UB_LIT("Certainly! The capital is another.");
    ub_seam_init(&seam, has, false, 12);
    ub_seam_add(&seam, has, said, &out);
    UB_CHECK(seam.verdict == UB_SEAM_DIVERGENCE, "12 bytes are proof where they are said to be");
    UB_CHECK(ub_seam_proof(UB_DIALECT_LLAMA) < ub_seam_proof(UB_DIALECT_VLLM),
             "llama-server may have prefills switched off");
    ub_buf_free(&out);
}

int main(void)
{
    test_rows(remainders, UB_COUNT(remainders), false);
    test_rows(restarts, UB_COUNT(restarts), true);
    test_patience();
    test_blank_flood();
    test_proof();
    return ub_test_done();
}
