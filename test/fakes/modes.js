'use strict';

/*
 * The ways in which the fake peer (peer.js) answers a webhook.  Each is called with
 * the response and the step of the script, whose other members are its options.
 */

const okBody = '{"ok":true}';
const okHeaders = { 'content-type': 'application/json', 'content-length': okBody.length };
const gibibyte = 2 ** 30;
const chunk = Buffer.alloc(64 * 1024, 'x');
const transports = new Map();

// The fast answer, which nothing is computed for.
function answerOk(response)
{
	response.writeHead(200, okHeaders);
	response.end(okBody);
}

// Headers are set one by one, as only then does Node put the right content-length.
function reply(response, status, headers, body = '')
{
	response.statusCode = status;
	for (const [name, value] of Object.entries(headers))
		response.setHeader(name, value);
	response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

// What is to be done later is not done if the client has left by then.
function later(response, milliseconds, action)
{
	const timer = setTimeout(action, milliseconds);
	response.on('close', () => clearTimeout(timer));
}

// Two sockets of one client differ by port, two clients by address.
function transportKey(socket)
{
	return `${socket.remoteAddress} ${socket.remotePort}`;
}

// Node resets TCP only, so the socket beneath a TLS one must be at hand.
function rememberTransport(socket)
{
	const key = transportKey(socket);
	transports.set(key, socket);
	socket.on('close', () =>
	{
		if (transports.get(key) === socket)
			transports.delete(key);
	});
}

// RST instead of FIN: the client sees "connection reset by peer".
function reset(response)
{
	const { socket } = response.req;
	const transport = transports.get(transportKey(socket)) ?? socket;
	transport.on('close', () => response.emit('close'));	// Node 18 does not tell the TLS socket
	transport.resetAndDestroy();
}

// "date+5" is the HTTP date in five seconds; all else is sent as it is.
function retryAfter(value)
{
	const [, seconds] = String(value).match(/^date([+-]\d+)$/) ?? [];
	return seconds === undefined ? String(value) : new Date(Date.now() + Number(seconds) * 1000).toUTCString();
}

// The answer to what was held.
function answerHeld(response)
{
	reply(response, response.heldStatus, { 'content-type': 'application/json' }, okBody);
}

// One byte at a time keeps a client busy that only watches for silence.
function trickle(response, { every_ms: every = 200, bytes = 1_000_000 })
{
	let left = bytes;
	response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes });
	response.flushHeaders();
	const timer = setInterval(() =>
	{
		if (left-- > 0)
			response.write('x');
		if (left <= 0)
			response.end();
	}, every);
	response.on('close', () => clearInterval(timer));
}

// With back-pressure, or the peer would hold all of it in memory.
function huge(response)
{
	let left = gibibyte;
	const pour = () =>
	{
		while (left > 0 && !response.destroyed)
		{
			left -= chunk.length;
			if (!response.write(chunk))
				return;
		}
		response.end();
	};
	response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': gibibyte });
	response.on('drain', pour);
	pour();
}

// 200 KiB in lines that are each short enough for any client.
function hugeHeaders(response)
{
	const headers = {};
	for (let number = 0; number < 200; number++)
		headers[`x-filler-${number}`] = 'x'.repeat(1000);
	reply(response, 200, headers, okBody);
}

// Who leaves is held no longer.  The status is that of the answer in the end.
function hold(response, { status = 200 })
{
	const { held } = response.req.hook;
	held.add(response);
	response.heldStatus = status;
	response.on('close', () => held.delete(response));
}

// destroySoon, not end: a client that never closes shall not keep it open.
function garbage(response)
{
	const { socket } = response.req;
	socket.write('\x16\x03This is not HTTP\r\n\r\n');
	socket.destroySoon();
}

const json = { 'content-type': 'application/json' };

const modes = {
	ok: (response, { status = 200, body = okBody }) => reply(response, status, json, body),
	status: (response, { status = 500, body = '', headers = {} }) => reply(response, status, headers, body),
	retry_after: (response, { value, status = 429 }) => reply(response, status, { 'retry-after': retryAfter(value) }),
	html: (response) => reply(response, 502, { 'content-type': 'text/html' },
		'<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n'),
	reset,
	reset_early: reset,
	gateway_timeout: (response, { after_ms: after = 100 }) => later(response, after, () => reply(response, 504, {})),
	trickle,
	huge,
	huge_headers: hugeHeaders,
	never: () => {},
	hold,
	wrong_json: (response) => reply(response, 200, json, '{"data": ['),
	redirect: (response, { location = '/hook/elsewhere' }) => reply(response, 302, { location }),
	close: (response) => reply(response, 200, { ...json, connection: 'close' }, okBody),
	garbage,
	delay: (response, { ms = 100 }) => later(response, ms, () => answerOk(response)),
};

// Whether the answer does not wait for the body.
function isEarly({ mode })
{
	return mode === 'reset_early';
}

// A step that Node cannot follow, such as a header with a line break, must not end the peer.
function answer(step, response)
{
	try
	{
		modes[step.mode ?? 'ok'](response, step);
	}
	catch (error)
	{
		console.error(`${JSON.stringify(step)}: ${error.message}`);
		response.destroy();
	}
}

// Why a step cannot be taken; nothing if it can.
function refusal(step)
{
	if (typeof step !== 'object' || step === null)
		return 'a step is an object';
	if (!Object.hasOwn(modes, step.mode ?? 'ok'))
		return `there is no mode "${step.mode}"`;
	if (step.times !== undefined && !(Number.isInteger(step.times) && step.times >= 0))
		return '"times" is a number of requests';
	if (step.mode === 'retry_after' && step.value === undefined)
		return 'retry_after needs a "value"';
	return undefined;
}

module.exports = { answer, answerHeld, answerOk, isEarly, refusal, reply, rememberTransport };
