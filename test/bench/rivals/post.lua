-- What wrk sends to the fake peer: as large a body and as many headers as a
-- webhook of the worker's, each with another id.
local body = '{"type": "bench", "timestamp": "2026-03-10T12:00:00+00:00", "data": ' ..
	'{"total": 150.00, "status": "accepted", "orderId": "0b5e2a30-6d2f-4a39-93c5-0d5a5f1c9b11", ' ..
	'"requestId": "3f0a6e0c-2b1d-4f9a-8a9e-6a1f0c2d7e55", "washmanId": "washman-123456", "customerId": "customer-123456"}}'
local headers = {
	["Content-Type"] = "application/json",
	["webhook-timestamp"] = "1773144000",
	["webhook-signature"] = "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="
}
local n = 0

request = function()
	n = n + 1
	headers["webhook-id"] = "msg_" .. n
	return wrk.format("POST", nil, headers, body)
end
