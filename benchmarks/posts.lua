-- Has wrk post another body with each request: those of the file BODIES, one a line, from a random one on.
-- Prints one line of JSON at the end, for benchmarks/closed_loop.py.

local requests, place = {}, 0

function init(arguments)
  local path, file = arguments[1], arguments[2]
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  for body in io.lines(file) do
    requests[#requests + 1] = wrk.format(nil, path, nil, body)
  end
  math.randomseed(tonumber(arguments[3]))
  place = math.random(#requests)
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency, ...)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"max_ms":%f,"refused":%d,"unreached":%d,"broken":%d,"late":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect, errors.read + errors.write, errors.timeout))
end
