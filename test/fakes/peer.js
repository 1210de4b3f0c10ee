'use strict';

/*
 * A fake peer: receives webhooks by HTTP or HTTPS, and misbehaves on demand.
 *
 *	node test/fakes/peer.js [--port 0] [--host 127.0.0.1] [--tls CERTIFICATE.pem KEY.pem] [--no-stdin]
 *
 * Prints "listening on PORT" when it does.  Ends on SIGTERM, and when its stdin
 * closes, so that it never outlives its test; --no-stdin leaves stdin alone (a
 * shell gives "peer.js &" an stdin that is closed from the start).
 *
 * Any request to /hook/NAME is counted, and answered as NAME is told to; with 200
 * if it is told nothing.  It is told on the same port, in JSON:
 *
 *	PUT /control/NAME            {"mode": "status", "status": 503, "times": 2}, or an array of such steps;
 *	                             modes.js has all modes.  A step without "times" lasts for ever, after the
 *	                             last one all is well again.  "record": true keeps the requests from now on,
 *	                             "latency": true reads data.sentAt in their bodies; until false or DELETE.
 *	GET /control/NAME            the counts, see Hook.summary, and in "modes" what is left of the script
 *	GET /control/NAME/requests   what was recorded, in the order of arrival
 *	GET /control/NAME/ids        webhook-id -> how many times it came
 *	GET /control/NAME/latency    milliseconds from data.sentAt to the arrival, of each request
 *	POST /control/NAME/release   answers what mode "hold" holds
 *	DELETE /control[/NAME]       forgets modes and counts; requests that are open stay open, and held
 */

const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { parseArgs } = require('node:util');
const { Hook } = require('./hook.js');
const { answer, answerHeld, answerOk, isEarly, refusal, reply, rememberTransport } = require('./modes.js');
const { listen } = require('./serve.js');

const hooks = new Map();

// A name exists as soon as somebody speaks of it.
function hookNamed(name)
{
	let hook = hooks.get(name);
	if (hook === undefined)
	{
		hook = new Hook();
		hooks.set(name, hook);
	}
	return hook;
}

// The query is no part of the name.
function nameIn(url)
{
	const query = url.indexOf('?');
	return url.slice('/hook/'.length, query < 0 ? undefined : query);
}

// One function for all responses, as a benchmark makes very many of them.  Once, as
// both Node and a reset tell of the end.
function onResponseClose()
{
	this.off('close', onResponseClose);
	this.req.hook.departed(this.writableFinished);
}

// Likewise for all requests that nothing special is to be done with.
function onPlainEnd()
{
	answerOk(this.response);
}

// The fast way if the name was told nothing, as it is in benchmarks.
function receive(request, response)
{
	const hook = hookNamed(nameIn(request.url));
	request.hook = hook;
	request.response = response;
	response.on('close', onResponseClose);
	hook.arrived(request);
	if (hook.isPlain())
	{
		request.on('end', onPlainEnd);
		request.resume();
	}
	else
		receiveSpecially(hook, request, response);
}

// The step is taken on arrival, since the next request may come before this one's body.
function receiveSpecially(hook, request, response)
{
	const step = hook.nextStep();
	const observed = hook.observe(request);
	request.on('error', () => {});
	response.on('error', () => {});
	if (isEarly(step))
	{
		answer(step, response);
		return;
	}
	readBody(request, observed, (body) =>
	{
		if (observed)
			hook.bodyCame(observed, body);
		answer(step, response);
	});
}

// The body is put together only if somebody wants it.
function readBody(request, wanted, done)
{
	const chunks = [];
	if (wanted)
		request.on('data', (chunk) => chunks.push(chunk));
	else
		request.resume();
	request.on('end', () => done(Buffer.concat(chunks).toString()));
}

// All answers of the control interface are JSON.
function tell(response, status, value)
{
	reply(response, status, { 'content-type': 'application/json' }, JSON.stringify(value));
}

// A script with a mistake in it is refused whole, or a test would pass for the wrong reason.
function setScript(hook, response, body)
{
	let steps;
	try
	{
		steps = [].concat(JSON.parse(body));
	}
	catch (error)
	{
		tell(response, 400, { error: error.message });
		return;
	}
	const error = steps.map(refusal).find(Boolean);
	if (error)
	{
		tell(response, 400, { error });
		return;
	}
	hook.setScript(steps);
	tell(response, 200, hook.summary());
}

// The held are taken out first, as answering them changes the set.
function release(hook, response)
{
	const held = [...hook.held];
	hook.held.clear();
	held.forEach(answerHeld);
	tell(response, 200, { released: held.length });
}

// Forgetting is by name or of all names.
function forget(names, response)
{
	names.forEach((name) => hookNamed(name).forget());
	tell(response, 200, {});
}

const controls = {
	'GET': (hook, response) => tell(response, 200, hook.summary()),
	'PUT': setScript,
	'GET requests': (hook, response) => tell(response, 200, hook.recorded),
	'GET ids': (hook, response) => tell(response, 200, Object.fromEntries(hook.timesById)),
	'GET latency': (hook, response) => tell(response, 200, hook.latencies),
	'POST release': release,
};

// A name may have slashes in it, so the word after it is looked for from the end.
function control(request, response)
{
	const [, name, word] = request.url.match(/^\/control(?:\/(.+?))??(?:\/(requests|ids|latency|release))?\/?$/) ?? [];
	const action = controls[word ? `${request.method} ${word}` : request.method];
	readBody(request, true, (body) =>
	{
		if (request.method === 'DELETE' && !word)
			forget(name ? [name] : [...hooks.keys()], response);
		else if (name && action)
			action(hookNamed(name), response, body);
		else
			tell(response, 404, { error: `there is no ${request.method} ${request.url}` });
	});
}

// Hooks come first, since they are what has to be fast.
function handle(request, response)
{
	if (request.url.startsWith('/hook/'))
		receive(request, response);
	else
		control(request, response);
}

// The peer must never be the one who loses patience: no time limits.
function makeServer(files)
{
	const patience = { keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 0, noDelay: true };
	if (files === undefined)
		return http.createServer(patience, handle);
	const [cert, key] = files.map((file) => readFileSync(file));
	return https.createServer({ ...patience, cert, key }, handle).on('connection', rememberTransport);
}

// parseArgs knows no option with two values, so the key's file arrives as a positional.
function readCommandLine()
{
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			'port': { type: 'string', default: '0' },
			'host': { type: 'string', default: '127.0.0.1' },
			'tls': { type: 'string' },
			'no-stdin': { type: 'boolean', default: false },
		},
	});
	if (positionals.length !== (values.tls === undefined ? 0 : 1))
		throw new Error('usage: peer.js [--port 0] [--host 127.0.0.1] [--tls CERTIFICATE.pem KEY.pem] [--no-stdin]');
	return { ...values, files: values.tls && [values.tls, positionals[0]] };
}

function main()
{
	const options = readCommandLine();
	listen(makeServer(options.files), options);
}

main();
