#include "store/lease.h"

#include "policy/share.h"

#include <openssl/evp.h>
#include <stdio.h>

#define ARGUMENTS 6 /* key, node, limit, wanted, used, have */

/* A hash of node = "until held wanted"; the field ".since" is when the first of those was heard that
 * are there now. Times are milliseconds of Redis. */
_Static_assert(UB_SHARE_LEASE_NS == 1000 * UB_MS, "as in the script");
static const char script[] =
    "local key, node = KEYS[1], ARGV[1]\n"
    "local limit, wanted = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local used, have = tonumber(ARGV[4]), tonumber(ARGV[5])\n"
    "local lease, settle = 1000, 1500\n"
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "local all, nodes, held, since = redis.call('HGETALL', key), {}, 0, now\n"
    "local known = false\n"
    "for i = 1, #all, 2 do\n"
    "  local name = all[i]\n"
    "  if name == '.since' then\n"
    "    since = tonumber(all[i + 1]) or now\n"
    "  else\n"
    "    local a, b, c = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')\n"
    "    if not a or tonumber(a) <= now or tonumber(a) > now + lease then\n"
    "      redis.call('HDEL', key, name)\n"
    "    else\n"
    "      known = true\n"
    "      if name ~= node then\n"
    "        held = held + tonumber(b)\n"
    "        nodes[#nodes + 1] = {tonumber(c), name}\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "if not known or since > now then since = now end\n"
    "nodes[#nodes + 1] = {wanted, node}\n"
    "local count, part, left = #nodes, 0, limit\n"
    "local floor = limit >= 2 * count and 1 or 0\n"
    "for _, n in ipairs(nodes) do n[1] = math.max(n[1], floor) end\n"
    "table.sort(nodes, function(x, y)\n"
    "  if x[1] ~= y[1] then return x[1] < y[1] end\n"
    "  return x[2] < y[2]\n"
    "end)\n"
    "for i, n in ipairs(nodes) do\n"
    "  local given = math.min(n[1], math.floor(left / (count - i + 1)))\n"
    "  left = left - given\n"
    "  if n[2] == node then part = given end\n"
    "end\n"
    "part = math.min(part + math.floor(left / count), math.max(limit - held, 0))\n"
    "if now < since + settle then part = math.min(part, have) end\n"
    "local most = math.max(part, used, have)\n"
    "redis.call('HSET', key, '.since', string.format('%.0f', since), node,\n"
    "  string.format('%.0f %.0f %.0f', now + lease, most, wanted))\n"
    "redis.call('PEXPIRE', key, 60000)\n"
    "return {part, held, count}\n";

/* The name of the script: its SHA-1 in hexadecimal. */
static bool name_script(char out[41])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (EVP_Digest(script, sizeof script - 1, digest, &len, EVP_sha1(), NULL) != 1 || len != 20) {
        return false;
    }
    for (unsigned int i = 0; i < len; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

static enum ub_redis_error send_lease(struct ub_lease *lease)
{
    char name[41];
    lease->whole = lease->whole || !name_script(name);
    struct ub_slice arguments[3 + ARGUMENTS] = {
        lease->whole ? UB_LIT("EVAL") : UB_LIT("EVALSHA"),
        lease->whole ? (struct ub_slice){script, sizeof script - 1} : ub_slice_of(name),
        UB_LIT("1"),
    };
    size_t begin = 0;
    for (int i = 0; i < ARGUMENTS; i++) {
        arguments[3 + i] = (struct ub_slice){lease->text + begin, lease->end[i] - begin};
        begin = lease->end[i];
    }
    return ub_redis_send(lease->redis, &lease->call, arguments, 3 + ARGUMENTS);
}

static bool read_grant(const struct ub_redis_reply *reply, struct ub_lease_grant *out)
{
    if (reply->type != UB_REDIS_ARRAY || reply->count != 3) {
        return false;
    }
    uint32_t number[3];
    for (int i = 0; i < 3; i++) {
        const struct ub_redis_reply *element = reply->element[i];
        if (element->type != UB_REDIS_INTEGER || element->integer < 0 ||
            element->integer > UINT32_MAX) {
            return false;
        }
        number[i] = (uint32_t)element->integer;
    }
    *out = (struct ub_lease_grant){number[0], number[1], number[2]};
    return true;
}

static void on_done(struct ub_redis_call *call, enum ub_redis_error error,
                    const struct ub_redis_reply *reply, const char *words)
{
    struct ub_lease *lease = call->user;
    struct ub_lease_grant grant;
    if (error == UB_REDIS_NOSCRIPT && !lease->whole) {
        lease->whole = true;
        error = send_lease(lease);
        if (error == UB_REDIS_OK) {
            return;
        }
        words = ub_redis_error_words(error);
    } else if (error == UB_REDIS_OK && !read_grant(reply, &grant)) {
        error = ub_redis_unexpected(lease->redis);
        words = ub_redis_error_words(error);
    }
    lease->done(lease, error, error == UB_REDIS_OK ? &grant : NULL, words);
}

enum ub_redis_error ub_lease_ask(struct ub_lease *lease, struct ub_redis *redis,
                                 const struct ub_lease_terms *terms)
{
    struct ub_slice text[2] = {terms->key, terms->node};
    uint32_t number[4] = {terms->limit, terms->wanted, terms->used, terms->have};
    size_t len = 0;
    for (int i = 0; i < ARGUMENTS; i++) {
        size_t room = sizeof lease->text - len;
        int wrote = i < 2 ? snprintf(lease->text + len, room, "%.*s", UB_SLICE_ARG(text[i]))
                          : snprintf(lease->text + len, room, "%u", number[i - 2]);
        if (wrote < 0 || (size_t)wrote >= room) {
            return UB_REDIS_FULL;
        }
        len += (size_t)wrote;
        lease->end[i] = (uint16_t)len;
    }
    lease->call = (struct ub_redis_call){.done = on_done, .user = lease};
    lease->redis = redis;
    lease->whole = false;
    return send_lease(lease);
}

void ub_lease_cancel(struct ub_lease *lease)
{
    if (lease->redis != NULL) {
        ub_redis_cancel(lease->redis, &lease->call);
    }
}

bool ub_lease_is_asked(const struct ub_lease *lease)
{
    return lease->call.number != 0;
}
