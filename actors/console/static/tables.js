// The two tables. Cells are text nodes, never markup: names of arms come from a settings file.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count with thousands separators. */
export function count(value) {
  return whole.format(value);
}

/** A number with about three digits; whole ones stay whole. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 100 || Number.isInteger(value)) return whole.format(value);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A share in per cent, without the sign. */
export function percent(share) {
  return share === null ? "–" : (share * 100).toFixed(2);
}

function cell(tag, text, name = "") {
  const element = document.createElement(tag);
  if (tag === "th") element.scope = "row";
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

/** Replaces the rows of a table's body. */
function fill(body, rows, columns, nothing) {
  if (rows.length === 0) {
    const row = document.createElement("tr");
    const only = cell("td", nothing, "quiet");
    only.colSpan = columns;
    row.append(only);
    body.replaceChildren(row);
    return;
  }
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells);
      return row;
    }),
  );
}

/** Arms since the log began. */
export function showArms(body, arms, order) {
  const rows = Object.keys(arms).sort().map((name) => {
    const arm = arms[name];
    const head = cell("th", name);
    const key = document.createElement("i");
    key.className = `key s${order.indexOf(name) % 6}`;
    head.prepend(key);
    return [
      head,
      cell("td", count(arm.decisions)),
      cell("td", count(arm.shown)),
      cell("td", count(arm.clicks)),
      cell("td", arm.shown ? `${percent(arm.clicks / arm.shown)} %` : "–"),
      cell("td", arm.decisions ? (arm.reward / arm.decisions).toFixed(3) : "–"),
    ];
  });
  fill(body, rows, 6, "no list has been shown yet");
}

function shardRow(shard) {
  const engine = shard.engine;
  const failed = cell("td", count(engine.failed), engine.failed ? "bad" : "");
  return [
    cell("th", String(shard.shard)),
    cell("td", "up", "good"),
    cell("td", short(shard.events_per_second)),
    cell("td", count(engine.sequence)),
    cell("td", count(engine.sequence - engine.snapshot_sequence)),
    cell("td", count(engine.users_in_memory)),
    cell("td", count(engine.items)),
    cell("td", count(shard.queue)),
    cell("td", count(engine.pending)),
    failed,
    cell("td", count(engine.base.version)),
    cell("td", short(shard.freshness_p50_ms)),
    cell("td", short(shard.freshness_p99_ms)),
  ];
}

/** One row per shard, also for those that do not answer. */
export function showShards(body, stats) {
  const rows = new Map(stats.shards.map((shard) => [shard.shard, shardRow(shard)]));
  for (const down of stats.unavailable) {
    const detail = cell("td", down.detail, "bad");
    detail.colSpan = 12;
    rows.set(down.shard, [cell("th", String(down.shard)), detail]);
  }
  const order = [...rows.keys()].sort((a, b) => a - b);
  fill(body, order.map((shard) => rows.get(shard)), 13, "there is no shard");
}
