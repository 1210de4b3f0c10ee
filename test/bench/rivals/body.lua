-- What wrk sends to the fake Expo: a body from a file, as compressed as the worker's.
init = function(args)
	local file = assert(io.open(args[1], "rb"))
	wrk.method = "POST"
	wrk.headers["Content-Type"] = "application/json"
	wrk.headers["Content-Encoding"] = "gzip"
	wrk.body = file:read("*a")
	file:close()
end
