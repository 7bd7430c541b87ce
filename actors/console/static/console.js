// The live console: listens to /v1/stream and shows every tick.

import { Chart } from "./charts.js";
import { Door } from "./door.js";
import { History, alarms } from "./history.js";
import { follow } from "./stream.js";
import { count, percent, short, showArms, showShards } from "./tables.js";

const RATE_S = 10; // window of the numbers per second
const GRACE_MS = 4000; // streams end now and then by design; shorter pauses are no news

const find = (id) => document.getElementById(id);
const history = new History();
const door = new Door();
const pick = find("window");
let hovered = null;

const rateChart = new Chart(find("rate-plot"), (v) => `${+(v * 100).toFixed(2)} %`, 0.01, (index) => {
  hovered = index;
  showLegend();
});
const eventsChart = new Chart(find("events-plot"), axisNumber, 10);
const freshChart = new Chart(find("fresh-plot"), axisNumber, 5);
const memoryChart = new Chart(find("memory-plot"), axisNumber, 1);

function axisNumber(value) {
  return Number.isInteger(value) ? count(value) : String(+value.toFixed(2));
}

function seconds() {
  return Number(pick.value);
}

function put(id, text) {
  find(id).textContent = text;
}

/** The arms with their click rate at the pointer, or else now. */
function showLegend() {
  const arms = history.arms();
  const legend = find("legend");
  while (legend.children.length > arms.length) legend.lastChild.remove();
  while (legend.children.length < arms.length) {
    const item = document.createElement("li");
    const key = document.createElement("i");
    key.setAttribute("aria-hidden", "true");
    item.append(key, document.createElement("span"), document.createElement("b"));
    legend.append(item);
  }
  const end = Math.min(hovered ?? Infinity, history.samples.length - 1);
  arms.forEach((arm, n) => {
    const [key, name, value] = legend.children[n].children;
    key.className = `key s${n % 6}`;
    name.textContent = arm;
    value.textContent = end < 0 ? "–" : `${percent(history.rate(end, seconds(), [arm]))} %`;
  });
}

function showTiles() {
  const end = history.samples.length - 1;
  const last = history.last;
  const recent = history.within(end, RATE_S, history.arms());
  const rate = history.rate(end, seconds(), history.arms());
  put("events", short(last.events));
  put("decisions", recent.seconds > 0 ? short(recent.decisions / recent.seconds) : "–");
  put("p50", short(last.p50));
  put("p99", short(last.p99));
  put("rate", percent(rate));
  put("rate-note", `all arms, ${pick.selectedOptions[0].text}`);
  put("sequence", count(last.sequence));
  const plot = find("rate-plot");
  plot.setAttribute("aria-label", `Click rate by arm over time; all arms now ${percent(rate)} %`);
}

function showAlarms(shards) {
  const { user, shard, last_ms } = alarms(shards);
  put("user-alarms", count(user));
  put("shard-alarms", count(shard));
  put("last-alarm", last_ms ? new Date(last_ms).toLocaleString() : "none yet");
}

function showCharts() {
  rateChart.show(history.rateColumns(seconds()));
  eventsChart.show(history.columns("events"));
  freshChart.show(history.columns("p50", "p99"));
  memoryChart.show(history.columns("recentLoss", "oldLoss", "oldLossWhenNew"));
}

function show(stats) {
  history.push(stats);
  showTiles();
  showLegend();
  showArms(find("arms"), stats.arms, history.arms());
  showShards(find("shards"), stats);
  showAlarms(stats.shards);
  showCharts();
}

function setState(state, text) {
  const element = find("state");
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  put("state-text", text);
}

let lastTick = performance.now();

function tick(stats) {
  lastTick = performance.now();
  show(stats);
  if (stats.unavailable.length) setState("partial", "live, a shard is down");
  else setState("live", "live");
}

async function listen() {
  for (;;) {
    const end = await follow(door.key, () => door.open(), tick);
    if (end.refused) {
      setState("closed", "key needed");
      await door.ask(end.status);
      lastTick = performance.now();
      setState("connecting", "connecting");
    } else {
      door.wait(end.waitMs / 1000);
      await new Promise((resolve) => setTimeout(resolve, end.waitMs));
    }
  }
}

setInterval(() => {
  const asking = find("state").dataset.state === "closed";
  if (!asking && performance.now() - lastTick > GRACE_MS) setState("down", "reconnecting");
}, 500);

pick.addEventListener("change", () => {
  if (!history.last) return;
  showTiles();
  showLegend();
  showCharts();
});

listen();
