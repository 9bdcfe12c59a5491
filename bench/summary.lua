-- The last line of every script's output: one JSON object.
function done(summary, latency)
    local e = summary.errors
    io.write(string.format('{"requests":%d,"seconds":%.6f,"median_us":%.1f,"errors":%d}\n', summary.requests, summary.duration / 1e6,
        latency:percentile(50), e.connect + e.read + e.write + e.status + e.timeout))
end
