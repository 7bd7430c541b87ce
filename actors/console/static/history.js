// What the charts show: one sample per tick, kept for a quarter of an hour.

const CAPACITY = 900;

/** Sums a field over the shards that answered. */
function total(shards, read) {
  return shards.reduce((sum, shard) => sum + read(shard), 0);
}

/** The largest of the values that exist, or null. */
function largest(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? Math.max(...known) : null;
}

/** The mean over the shards that know it, or null. */
function mean(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

/** The forgetting meter, over all shards. */
function memory(shards) {
  const read = (field) => mean(shards.map((shard) => shard.engine.memory?.[field]));
  return {
    recentLoss: read("recent_loss"),
    oldLoss: read("old_loss"),
    oldLossWhenNew: read("old_loss_when_new"),
  };
}

/** Alarms of drift over all shards: counts by scope, and the event time of the last one. */
export function alarms(shards) {
  const sum = { user: 0, shard: 0, last_ms: 0 };
  for (const { engine } of shards) {
    for (const [name, count] of Object.entries(engine.drift?.alarms ?? {})) {
      sum[name.split("_")[0]] += count;
    }
    sum.last_ms = Math.max(sum.last_ms, engine.drift?.last_ms ?? 0);
  }
  return sum;
}

export class History {
  constructor() {
    this.samples = [];
    this.before = new Map(); // shard -> its arms at the last tick
    this.counts = new Map(); // arm -> {decisions, shown, clicks} since the page was opened
  }

  /** Takes in a tick. */
  push(stats) {
    for (const shard of stats.shards) this.#count(shard);
    this.samples.push({
      t: stats.ts_ms / 1000,
      events: total(stats.shards, (shard) => shard.events_per_second),
      p50: largest(stats.shards.map((shard) => shard.freshness_p50_ms)),
      p99: largest(stats.shards.map((shard) => shard.freshness_p99_ms)),
      ...memory(stats.shards),
      sequence: total(stats.shards, (shard) => shard.engine.sequence),
      arms: new Map([...this.counts].map(([arm, count]) => [arm, { ...count }])),
    });
    if (this.samples.length > CAPACITY) this.samples.shift();
  }

  get last() {
    return this.samples.at(-1);
  }

  /** Names of the arms, in a stable order. */
  arms() {
    return [...this.counts.keys()].sort();
  }

  // Shard by shard, so that one that was away or has lost its tail makes no jump in the sum.
  #count(shard) {
    const before = this.before.get(shard.shard);
    for (const [arm, now] of Object.entries(shard.engine.arms)) {
      const count = this.counts.get(arm) ?? { decisions: 0, shown: 0, clicks: 0 };
      const then = before?.[arm] ?? (before ? { decisions: 0, shown: 0, clicks: 0 } : now);
      for (const key of Object.keys(count)) count[key] += Math.max(0, now[key] - then[key]);
      this.counts.set(arm, count);
    }
    this.before.set(shard.shard, shard.engine.arms);
  }

  /** The counts of some arms within the window that ends at sample `end`. */
  within(end, seconds, arms) {
    const sample = this.samples[end];
    const since = this.samples[this.#start(end, sample.t - seconds)];
    const sum = { decisions: 0, shown: 0, clicks: 0, seconds: sample.t - since.t };
    for (const arm of arms) {
      for (const key of ["decisions", "shown", "clicks"]) {
        sum[key] += (sample.arms.get(arm)?.[key] ?? 0) - (since.arms.get(arm)?.[key] ?? 0);
      }
    }
    return sum;
  }

  /** The first sample up to `end` that is not older than `t`, by bisection. */
  #start(end, t) {
    let low = 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.samples[middle].t < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Click rate within the window, or null when nothing was shown. */
  rate(end, seconds, arms) {
    const { shown, clicks } = this.within(end, seconds, arms);
    return shown > 0 ? clicks / shown : null;
  }

  /** Columns for the click-rate chart: times, then one per arm. */
  rateColumns(seconds) {
    const times = this.samples.map((sample) => sample.t);
    const lines = this.arms().map((arm) =>
      this.samples.map((_, index) => this.rate(index, seconds, [arm])),
    );
    return [times, ...lines];
  }

  /** Columns of plain fields. */
  columns(...fields) {
    return [
      this.samples.map((sample) => sample.t),
      ...fields.map((field) => this.samples.map((sample) => sample[field])),
    ];
  }
}
