#include "tools/mock_talk.h"

#include "base/random.h"

static const char *const vocabulary[] = {
    "a",     "about",  "again",  "all",    "always", "and",    "answer", "any",   "are",    "as",
    "at",    "back",   "be",     "before", "best",   "both",   "bridge", "but",   "by",     "call",
    "can",   "carry",  "change", "city",   "clear",  "close",  "cloud",  "come",  "could",  "count",
    "day",   "deep",   "do",     "door",   "down",   "each",   "early",  "end",   "every",  "far",
    "few",   "field",  "find",   "first",  "for",    "form",   "from",   "full",  "garden", "give",
    "go",    "good",   "great",  "hand",   "has",    "have",   "here",   "high",  "how",    "idea",
    "if",    "in",     "into",   "is",     "it",     "just",   "keep",   "kind",  "know",   "large",
    "last",  "late",   "learn",  "leave",  "less",   "light",  "like",   "line",  "long",   "look",
    "made",  "make",   "many",   "may",    "mean",   "might",  "model",  "more",  "most",   "move",
    "much",  "must",   "name",   "near",   "never",  "new",    "next",   "night", "no",     "not",
    "now",   "number", "of",     "often",  "old",    "on",     "one",    "only",  "open",   "or",
    "other", "our",    "out",    "over",   "part",   "people", "place",  "plan",  "point",  "queue",
    "quick", "read",   "real",   "right",  "river",  "road",   "same",   "say",   "see",    "seem",
    "send",  "set",    "should", "show",   "side",   "simple", "small",  "so",    "some",   "sound",
    "stand", "start",  "state",  "still",  "stream", "such",   "system", "take",  "tell",   "than",
    "that",  "the",    "then",   "there",  "thing",  "think",  "this",   "time",  "to",     "token",
    "too",   "tree",   "true",   "turn",   "under",  "up",     "use",    "very",  "wait",   "want",
    "water", "way",    "we",     "well",   "what",   "when",   "where",  "which", "while",  "will",
    "wind",  "with",   "word",   "work",   "world",  "would",  "write",  "year",  "you",    "你好",
    "世界",  "问题",   "答案",
};

struct ub_slice ub_talk_piece(uint64_t seed, uint32_t index, char out[UB_TALK_PIECE])
{
    uint64_t draw = ub_mix64(seed ^ ub_mix64(index + 1));
    const char *word = vocabulary[(draw >> 32) % UB_COUNT(vocabulary)];
    size_t len = strlen(word);
    size_t at = 0;
    if (index > 0) {
        out[at++] = ' ';
    }
    memcpy(out + at, word, len);
    at += len;
    if ((draw & 15) == 0) {
        out[at++] = '.';
    }
    return (struct ub_slice){out, at};
}

bool ub_talk_find(uint64_t seed, struct ub_slice begun, struct ub_talk_place *place)
{
    char piece[UB_TALK_PIECE];
    *place = (struct ub_talk_place){0, 0};
    while (begun.len > 0) {
        struct ub_slice next = ub_talk_piece(seed, place->index, piece);
        size_t len = next.len < begun.len ? next.len : begun.len;
        if (memcmp(next.ptr, begun.ptr, len) != 0) {
            return false;
        }
        if (len < next.len) {
            place->skip = (uint32_t)len;
            return true;
        }
        begun.ptr += len;
        begun.len -= len;
        place->index++;
    }
    return true;
}

uint32_t ub_talk_tokens(struct ub_slice text)
{
    uint64_t ascii = 0;
    uint64_t other = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        ascii += c < 0x80;
        other += c >= 0xC0; /* first byte of a character */
    }
    uint64_t twelfths = ascii * 3 + other * 8;
    uint64_t tokens = (twelfths + 11) / 12;
    return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}
