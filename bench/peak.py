"""The bad peak of `./do bench busy-hour`: when upstreams are bad, what goes wrong then, and how fast
and how long-queued they must be so that one of them alone looks as in the article.

Everything here is arithmetic: no clock, no processes. `predict` runs one upstream with a bare client
in virtual time, with the timing of `unbusy mock` (src/sim/engine.c); `calibrate` turns speed and
queue until that client sees what was measured: 72 % answered, 8.7 s to the first token on average.
"""

import bisect
import csv
import dataclasses
import gzip
import random

TARGET_SUCCESS = 0.72
TARGET_FIRST_S = 8.7
BAD_SHARE = 0.28
EPISODE_S = 15.0  # mean length
EPISODES_MAX = 7  # of one upstream: a mock takes 64 rules, and each fault of an episode is one
SLOTS = 32        # answers made at once
TIMEOUT_S = 60.0  # the client's patience

# What strikes the requests that come in a bad episode: share, name, settings. The rest is answered.
# Refusals are the most, as in API-FACTS of the services; what cannot be seen in a status follows.
FAULTS = [
    (0.40, "503", ""),
    (0.10, "429-after", ";retry=2s"),
    (0.10, "reset", ""),
    (0.05, "silence", ""),
    (0.05, "queued", ";every=1s"),  # keep-alives, and nothing else, for ever
    (0.10, "late", ";delay=20s"),
    (0.06, "cut", ";after=40"),
    (0.02, "error-event", ";after=40"),
    (0.02, "stall", ";after=40"),
]
MIDWAY = {"cut": 40, "error-event": 40, "stall": 40}
LATE_S = 20.0


def read_trace(path, seconds, speed):
    """[(s, tokens of the prompt, tokens of the answer)] of so many seconds at `speed` times its own."""
    rows = []
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            at = float(row["t_ms"]) / 1000
            if at > seconds * speed:
                break
            rows.append((at / speed, max(1, int(row["in_tok"])), max(1, int(row["out_tok"]))))
    return rows


# --- episodes and their rules ---------------------------------------------------------------------


def parts(chance, total, count, low=0.5, high=1.5):
    """`total` in `count` random parts, none much larger or smaller than the others."""
    raw = [chance.uniform(low, high) for _ in range(count)]
    return [total * r / sum(raw) for r in raw]


def draw_episodes(chance, seconds):
    """Bad times of one upstream, [(from, to)]: BAD_SHARE of `seconds` in all, with random gaps."""
    count = min(EPISODES_MAX, max(1, round(seconds * BAD_SHARE / EPISODE_S)))
    bad = parts(chance, seconds * BAD_SHARE, count)
    good = parts(chance, seconds * (1 - BAD_SHARE), count + 1, 0.1, 1.9)
    at, found = 0.0, []
    for length, gap in zip(bad, good):
        at += gap
        found.append((at, at + length))
        at += length
    return found


def most_at_once(schedule):
    """How many upstreams are bad at the same time, at the worst."""
    changes = sorted(x for episodes in schedule for begin, end in episodes
                     for x in ((begin, 1), (end, -1)))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def seconds_with(schedule, seconds, number, step=0.01):
    """For how long just `number` upstreams are bad."""
    return step * sum(1 for i in range(round(seconds / step))
                      if sum(is_bad(e, i * step) for e in schedule) == number)


def is_bad(episodes, at):
    i = bisect.bisect_right(episodes, (at, float("inf"))) - 1
    return i >= 0 and episodes[i][0] <= at < episodes[i][1]


def draw_schedule(seed, seconds, upstreams=3):
    """Bad times of all upstreams, independent but for this: never all of them at once."""
    chance = random.Random(seed)
    while True:
        schedule = [draw_episodes(chance, seconds) for _ in range(upstreams)]
        if most_at_once(schedule) < upstreams:
            return schedule


def fault_rules(episodes):
    """The schedule of one upstream as rules of `unbusy mock`. They are asked one after the other and
    the first that fires counts, so each gets its share of what the ones before it leave."""
    rules = []
    for begin, end in episodes:
        left = 1.0
        for share, name, settings in FAULTS:
            rules.append(f"{name}:{share / left:.6f}{settings};"
                         f"from={begin * 1000:.0f}ms;to={end * 1000:.0f}ms")
            left -= share
    return rules


# --- one upstream in virtual time -----------------------------------------------------------------


@dataclasses.dataclass
class Profile:
    """Times of a step in seconds (src/sim/engine.c, profile 8b)."""

    step: float = 12.46e-3
    sequence: float = 0.0916e-3
    context: float = 35.4e-9
    prefill: float = 36e-6
    cross: float = 3.0e-9
    tokens: int = 2048  # of a step


class Sequence:
    def __init__(self, at, prompt, answer, limit):
        self.at = at
        self.unread = prompt  # tokens of the prompt
        self.context = 0
        self.left = limit  # tokens to make
        self.whole = limit == answer
        self.first_at = self.end_at = None


class Engine:
    """Continuous batching, as the mock does it, without the bound on its KV memory. Steps in which
    nobody comes or goes are taken together."""

    def __init__(self, profile, speed, slots):
        self.profile, self.speed, self.slots = profile, speed, slots
        self.waiting, self.running, self.now = [], [], 0.0

    def add(self, sequence):
        if not self.waiting and not self.running:
            self.now = max(self.now, sequence.at)
        self.waiting.append(sequence)

    def run_until(self, at):
        """Begins all steps that begin before `at`; returns the sequences that ended."""
        ended = []
        while self.now < at and (self.running or self.waiting):
            if self.step(at):
                ended += [s for s in self.running if s.left == 0]
                self.running = [s for s in self.running if s.left > 0]
        return ended

    def step(self, at):
        """One step, or several alike; true when a sequence ended."""
        p, budget = self.profile, self.profile.tokens
        reading, cross = [], 0.0
        context = read = 0
        decoding = []
        for s in self.running:
            if s.unread == 0:
                budget -= 1
                context += s.context
                decoding.append(s)
        queue = [s for s in self.running if s.unread > 0]
        while budget > 0 and (queue or (self.waiting and len(self.running) < self.slots)):
            s = queue.pop(0) if queue else self.waiting.pop(0)
            if s.context == 0:
                self.running.append(s)
            take = min(s.unread, budget)
            budget -= take
            read += take
            cross += take * (s.context + take / 2)
            s.unread -= take
            s.context += take
            reading.append(s)
        n = len(decoding) + len(reading)
        took = (p.step + p.sequence * n + p.context * context + p.prefill * read + p.cross * cross)
        steps = 1
        if not reading:
            steps = min(s.left for s in decoding)
            if len(self.running) < self.slots:
                until = (at - self.now) * self.speed / took + 1
                steps = max(1, int(min(steps, until)))
            took = took * steps + p.context * n * steps * (steps - 1) / 2
        self.now += took / self.speed
        for s in decoding:
            s.left -= steps
            s.context += steps
        for s in reading:
            if s.unread == 0:
                s.first_at = self.now
                s.left -= 1
        gone = False
        for s in self.running:
            if s.left == 0:
                s.end_at = self.now
                gone = True
        return gone


@dataclasses.dataclass
class Seen:
    """By the bare client."""

    success: float
    first_s: float
    refused: float  # for want of a place


def draw_fault(chance):
    draw = chance.random()
    for share, name, _ in FAULTS:
        if draw < share:
            return name
        draw -= share
    return None


def judge(requests):
    """(answered, [s to the first token]) of [(sequence, fault)]."""
    answered, firsts = 0, []
    for s, fault in requests:
        if s.first_at is None or fault == "queued":
            continue
        late = LATE_S if fault == "late" else 0.0
        first = max(s.first_at - s.at, late)
        if first > TIMEOUT_S:
            continue
        firsts.append(first)
        answered += s.whole and s.end_at is not None and max(s.end_at - s.at, late) <= TIMEOUT_S
    return answered, firsts


def predict(trace, episodes, speed, queue, slots=SLOTS, seed=0, profile=Profile()):
    """What a bare client sees of one upstream with these bad times."""
    chance = random.Random(seed)
    engine = Engine(profile, speed, slots)
    admitted, refused, in_flight = [], 0, 0
    held = []  # ends of the time for which a place is taken though nothing is made any more
    fault_of = {}

    def settle(ended):
        nonlocal in_flight
        for s in ended:
            fault = fault_of[id(s)]
            stays = {"queued": TIMEOUT_S, "stall": TIMEOUT_S, "late": LATE_S}.get(fault, 0.0)
            if s.at + stays > s.end_at:
                held.append(s.at + stays)
            else:
                in_flight -= 1

    for at, prompt, answer in trace:
        settle(engine.run_until(at))
        in_flight -= sum(1 for end in held if end <= at)
        held = [end for end in held if end > at]
        fault = draw_fault(chance) if is_bad(episodes, at) else None
        if fault in ("503", "429-after", "reset", "silence"):
            continue
        if in_flight >= slots + queue:
            refused += 1
            continue
        limit = min(answer, MIDWAY[fault]) if fault in MIDWAY else answer
        s = Sequence(at, prompt, answer, limit)
        if fault in MIDWAY and limit == answer:
            fault = None  # it is over before it could be cut
        fault_of[id(s)] = fault
        admitted.append((s, fault))
        engine.add(s)
        in_flight += 1
    settle(engine.run_until(float("inf")))
    answered, firsts = judge(admitted)
    return Seen(answered / len(trace), sum(firsts) / len(firsts) if firsts else 0.0,
                refused / len(trace))


def best_possible(trace, schedule, speed, slots=SLOTS, tick=0.02):
    """Mean time to the first token with a gateway that knows the bad times beforehand, never meets
    them, and holds requests itself until a good upstream has a free slot: nobody can do better. It
    looks every `tick`."""
    engines = [Engine(Profile(), speed, slots) for _ in schedule]
    in_flight = [0] * len(engines)
    line, sent, at, number = [], [], 0.0, 0
    while number < len(trace) or line:
        at += tick
        for i, engine in enumerate(engines):
            in_flight[i] -= len(engine.run_until(at))
        while number < len(trace) and trace[number][0] <= at:
            line.append(trace[number])
            number += 1
        while line:
            free = [i for i, episodes in enumerate(schedule)
                    if in_flight[i] < slots and not is_bad(episodes, at)]
            if not free:
                break
            i = min(free, key=lambda i: in_flight[i])
            came, prompt, answer = line.pop(0)
            s = Sequence(at, prompt, answer, answer)
            s.came = came
            in_flight[i] += 1
            engines[i].add(s)
            sent.append(s)
    for engine in engines:
        engine.run_until(float("inf"))
    return sum(s.first_at - s.came for s in sent) / len(sent)


# --- calibration ----------------------------------------------------------------------------------


def bisect_for(low, high, steps, is_low):
    """Where `is_low` turns false, between low and high."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if is_low(middle) else (low, middle)
    return (low + high) / 2


def calibrate(trace, episodes, seed=0, success=TARGET_SUCCESS, first_s=TARGET_FIRST_S):
    """(speed, queue, what `predict` says of them). The longer the queue, the fewer are refused; for
    each length there is one speed with the wanted time to the first token."""

    def speed_for(queue):
        # Slower means longer waits, until the queue is short of that: then the answer is `low`.
        return bisect_for(0.05, 40.0, 14,
                          lambda s: predict(trace, episodes, s, queue, seed=seed).first_s > first_s)

    def too_few(queue):
        queue = int(queue)
        return predict(trace, episodes, speed_for(queue), queue, seed=seed).success < success

    queue = int(bisect_for(1, 2000, 9, too_few))
    speed = round(speed_for(queue), 3)
    return speed, queue, predict(trace, episodes, speed, queue, seed=seed)
