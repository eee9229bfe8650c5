-- GETs the paths of a file (first argument) round and round; the second argument is what it accepts, the
-- third, where there is one, its authorization.
local requests = {}
local last = 0

function init(args)
  for path in io.lines(args[1]) do
    local headers = { ["Host"] = wrk.headers["Host"], ["Accept"] = args[2], ["Authorization"] = args[3] }
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "bytes": %d, "microseconds": %d, "status": %d, "connect": %d, "read": %d, "write": %d, ' ..
    '"timeout": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.bytes, summary.duration, errors.status, errors.connect, errors.read, errors.write,
    errors.timeout, latency:percentile(50), latency:percentile(99)))
end
