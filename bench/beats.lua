-- Posts full heartbeats, workspace after workspace. BEATS is a file of "id token" lines; BEAT_PAUSE_MS is how long each connection rests.
dofile(os.getenv("BENCH_HERE") .. "/summary.lua")

local requests, turn = {}, 0

local function beat(id, token)
    local capabilities = '{"heartbeat":false,"scheduler":false,"session":false,"status_mgmt":false,"retry":false,'
        .. '"activity_decoration":false,"channel_dispatch":false}'
    local body = string.format('{"workspace_id":"%s","error_rate":0.0,"sample_error":"","active_tasks":0,"current_task":"",'
        .. '"uptime_seconds":60,"runtime_metadata":{"capabilities":%s}}', id, capabilities)
    local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
    return wrk.format("POST", "/registry/heartbeat", headers, body)
end

function init()
    for line in io.lines(os.getenv("BEATS")) do
        local id, token = line:match("(%S+) (%S+)")
        requests[#requests + 1] = beat(id, token)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

local pause = tonumber(os.getenv("BEAT_PAUSE_MS") or "0")
if pause > 0 then
    function delay() return pause end
end
