-- Posts the same message again and again. MESSAGE is a file with the body, BEARER the token.
dofile(os.getenv("BENCH_HERE") .. "/summary.lua")

local file = io.open(os.getenv("MESSAGE"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BEARER")
file:close()
